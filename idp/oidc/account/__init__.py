"""What MAG knows of one person, as they read it: sessions, history, connected portals, everything in one file. Decides nothing."""
