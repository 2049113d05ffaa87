"""The first part: one person's way from the City to AWO, and back to herself."""
