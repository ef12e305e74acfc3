"""The case's programs: two teams' services, what they share, and the image of their databases."""
