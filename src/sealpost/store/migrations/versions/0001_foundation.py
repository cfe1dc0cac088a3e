"""The foundation: accounts, tickets, records, mails."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    # One statement at a time: the driver prepares each. No literal of the file holds a semicolon at a line's end.
    for statement in Path(__file__).with_suffix(".sql").read_text().split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
