"""What both services share: configuration, logs, money, JSON, the database, and serving HTTP."""
