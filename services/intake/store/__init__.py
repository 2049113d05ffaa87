"""What intake keeps, one statement a function."""
