"""The machine door `/authentifier/1.0/`: payroll software of before MAG signs in with a password, where an operator opens it."""
