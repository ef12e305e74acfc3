"""Who may do what through the API: a model of RBAC, and its proof on a cluster by reviews and by real requests."""
