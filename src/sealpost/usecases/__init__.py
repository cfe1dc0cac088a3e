"""What the service does: one verb per file, and ``reads/`` for what it shows.

Use cases reach each other only through jobs. Steps that several of them share (the record chain, handing a mail over)
stand in files of their own beside them.
"""
