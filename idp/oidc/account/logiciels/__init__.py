"""« Mes logiciels »: payroll software that acts in a person's name while they are not there, each installation by itself."""
