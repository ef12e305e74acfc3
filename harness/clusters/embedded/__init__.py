"""The embedded provider: one real Kubernetes node in Linux namespaces, with no container engine.

``layout``      where everything of one cluster lies
``pki``         its certificate authority, certificates and kubeconfigs
``commands``    the command line and configuration of each component
``cgroups``     the cluster's own cgroups on this machine
``node``        process 1 inside the namespaces: mounts, links, components (a program of its own, standard library only)
``supervisor``  the one process outside: it owns the listeners and the lease's end (also a program of its own)
``control``     telling the node to start or stop a component
``bootstrap``   from a started control plane to add-ons applied
``template``    the cluster that every other is cloned from
``provider``    the verbs of ``harness.clusters.provider``, put together from the above
"""
