"""Who can talk to whom? The connections of the case, tried one by one."""
