"""The vendor contract: whole users, allowed sender addresses, limits, quota, idempotency keys, indexes of lists."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for statement in Path(__file__).with_suffix(".sql").read_text().split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
