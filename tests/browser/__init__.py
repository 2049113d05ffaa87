"""The person's page in a real Chromium."""
