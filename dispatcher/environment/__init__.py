"""What surrounds the process: its settings, its clock, its log, the platform, and which addresses it may call.

settings    the table of environment variables
clock       the time, and ids that sort by it
events      the log: one line of JSON for each event
addresses   which URLs may be called
built_for   the platform that a package was built for
"""
