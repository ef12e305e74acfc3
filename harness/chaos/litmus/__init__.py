"""Litmus: users' ChaosEngine and ChaosExperiment files, run as they are, with Litmus' own rules for the verdict."""
