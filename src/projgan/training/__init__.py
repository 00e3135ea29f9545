"""The step, the loop, and everything that lets a run be watched, stopped and resumed."""
