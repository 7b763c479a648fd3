"""Who relies on MAG: the registry of partners and their clients. `kit` is what a partner installs, `portals` two small ones that do."""
