"""What a person gets to read: texts in the person's language, on paper and on the person's own page."""
