"""Is every invoice paid, once, whatever goes wrong? The scenarios that a user would notice."""
