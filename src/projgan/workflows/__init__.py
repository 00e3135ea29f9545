"""Train, resume, sample, interpolate, demo: whole, config in and result out.

Here the loop, the callbacks, the data and the run folder are joined. The command line and any page
only call these functions; nothing here prints.
"""
