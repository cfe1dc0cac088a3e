"""Abuse reports are kept as what they are."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.get_bind().exec_driver_sql("alter table inbound_mails drop constraint inbound_mails_kind_check")
    op.get_bind().exec_driver_sql(
        "alter table inbound_mails add constraint inbound_mails_kind_check check"
        " (kind in ('failed', 'delivered', 'delayed', 'auto_reply', 'reply', 'abuse', 'unclear'))"
    )
