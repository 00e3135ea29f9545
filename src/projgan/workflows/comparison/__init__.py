"""The parts of `projgan.workflows.compare`: who competes, how it went, and how that is shown."""
