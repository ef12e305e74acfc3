"""Who may do what through the API? Each right of the case, asked for."""
