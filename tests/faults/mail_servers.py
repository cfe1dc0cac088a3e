"""Debian's Postfix, Exim and OpenSMTPD, unpacked into a throw-away folder and run from there: never installed.

For ``test_mail_servers``. Each wants users and folders of its own: it runs in mount and process namespaces whose
/etc/passwd, /etc/group and the like are ours, so root is needed; with its namespace every process of it ends, also when
the test is killed. All three know the same recipients: bob@ (and alice@example.org) has a mailbox, that of full@ is full,
grey@ is greylisted by client, sender and recipient. Each logs both what it makes of a mail and what it literally says.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.debian import CannotUnpack, unpack

USERS = {"postfix": 64801, "postdrop": 64802, "Debian-exim": 64803, "opensmtpd": 64804, "opensmtpq": 64805}

# Everything is mounted for this process and its children alone. The places that were compiled in are on tmpfs; a
# system log of this machine is not written to. The shell stays: a server that changes its user is no longer killed
# together with its parent (prctl(2), PR_SET_PDEATHSIG), but is so with its namespace, of which the shell is the init.
NAMESPACE = """\
set -eu
mount --bind {folder}/passwd /etc/passwd
mount --bind {folder}/group /etc/group
[ ! -e /dev/log ] || mount --bind /dev/null /dev/log
for place in /run /var/lib /var/spool; do mount -t tmpfs -o mode=755 none $place; done
ldconfig -C {folder}/ld.so.cache {unpacked}/usr/lib {unpacked}/usr/lib/*-linux-gnu
mount --bind {folder}/ld.so.cache /etc/ld.so.cache
"""

# Postfix's policy protocol: attributes, an empty line, an action.
POSTFIX_GREY = """\
#!/bin/sh
while read -r line; do
  case $line in
    client_address=* | sender=* | recipient=*) triple="${triple-} $line" ;;
    '')
      known={folder}/grey/$(printf %s "$triple" | sha256sum | cut -c1-64)
      case $triple in
        *recipient=grey@*) [ -e "$known" ] && action=dunno || action='451 4.7.1 Greylisted, please come again' ;;
        *) action=dunno ;;
      esac
      : >"$known"
      printf 'action=%s\\n\\n' "$action"
      triple=
      ;;
  esac
done
"""

POSTFIX_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/state
command_directory = {unpacked}/usr/sbin
daemon_directory = {unpacked}/usr/lib/postfix/sbin
shlib_directory = {unpacked}/usr/lib/postfix
meta_directory = {folder}/etc
import_environment = MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH={unpacked}/usr/lib/postfix
maillog_file_prefixes = {folder}
maillog_file = {folder}/log
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
myhostname = mx.test
mydestination =
alias_maps =
alias_database =
virtual_mailbox_domains = example.com, example.org
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = texthash:{folder}/mailboxes
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_peername_lookup = no
smtpd_recipient_restrictions = reject_unauth_destination,
  check_recipient_access texthash:{folder}/access, check_policy_service unix:private/grey
smtpd_tls_security_level = may
smtpd_tls_chain_files = {folder}/server.pem
smtpd_tls_loglevel = 1
debug_peer_list = 127.0.0.1
"""

POSTFIX_RUN = """\
for name in active bounce corrupt defer deferred flush hold incoming private saved trace; do
  mkdir -m 700 {folder}/queue/$name
  chown postfix:postfix {folder}/queue/$name
done
mkdir -m 700 {folder}/state
mkdir -m 755 {folder}/queue/pid
mkdir -m 710 {folder}/queue/public
mkdir -m 730 {folder}/queue/maildrop
chown postfix:postfix {folder}/state
chown postfix:postdrop {folder}/queue/public {folder}/queue/maildrop
cd {folder}/queue
export LD_LIBRARY_PATH={unpacked}/usr/lib/postfix
{unpacked}/usr/lib/postfix/sbin/master -d -c {folder}/etc
"""

EXIM_CONF = """\
exim_path = {unpacked}/usr/sbin/exim4
spool_directory = {folder}/spool
log_file_path = {folder}/log-%s
pid_file_path = {folder}/pid
primary_hostname = mx.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_advertise_hosts = *
tls_certificate = {folder}/server.pem
tls_privatekey = {folder}/server.pem
log_selector = +tls_cipher +received_recipients
keep_environment =
hosts_connection_nolog =
queue_run_max = 0
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  require domains = example.com : example.org
  deny recipients = full@example.com
       message = 552 5.2.2 The mailbox is full
  defer recipients = grey@example.com
        !seen = -0s / key=${{sender_host_address}} $sender_address $local_part@$domain
        message = 451 4.7.1 Greylisted, please come again
  accept
begin routers
everybody:
  driver = accept
  transport = mailbox
begin transports
mailbox:
  driver = appendfile
  file = {folder}/mail/${{lookup{{$local_part}}lsearch{{{folder}/mailboxes}}}}
  user = nobody
"""

EXIM_RUN = """\
mkdir /var/lib/exim4 /var/spool/mail
cp {folder}/exim.conf /var/lib/exim4/config.autogenerated
mkdir -m 750 {folder}/spool
chown Debian-exim:Debian-exim {folder}/spool
touch {folder}/log-main {folder}/log-reject {folder}/log-panic
chown Debian-exim:Debian-exim {folder}/log-* {folder}/server.pem
{unpacked}/usr/sbin/exim4 -bdf -d-all+receive+acl
"""

OPENSMTPD_CONF = """\
queue ttl 1h
pki mx.test cert "{folder}/certificate.pem"
pki mx.test key "{folder}/key.pem"
table users {{ "@" = nobody }}
filter full phase rcpt-to match rcpt-to {{ "full@example.com" }} reject "452 4.2.2 The mailbox is full"
filter grey proc-exec "/bin/sh {folder}/grey.sh" user nobody
listen on 127.0.0.1 port {port} hostname mx.test tls pki mx.test filter {{ full, grey }}
action box maildir "{folder}/mail/bob" virtual <users>
match from any for domain {{ "example.com", "example.org" }} action box
"""

# smtpd-filters(7), version 0.6 of its protocol: fields between bars; a session's sender is remembered in a file.
OPENSMTPD_GREY = """\
#!/bin/sh
while IFS='|' read -r kind word _ _ phase session token what; do
  case $kind:$word:$phase in
    config:ready:*)
      printf 'register|filter|smtp-in|mail-from\\nregister|filter|smtp-in|rcpt-to\\nregister|ready\\n'
      ;;
    filter:*:mail-from)
      printf %s "$what" >{folder}/grey/session-$session
      echo "filter-result|$session|$token|proceed"
      ;;
    filter:*:rcpt-to)
      known={folder}/grey/$( (cat {folder}/grey/session-$session; printf ' %s' "$what") | sha256sum | cut -c1-64)
      case $what in
        grey@*) [ -e "$known" ] && answer=proceed || answer='reject|451 4.7.1 Greylisted, please come again' ;;
        *) answer=proceed ;;
      esac
      : >"$known"
      echo "filter-result|$session|$token|$answer"
      ;;
  esac
done
"""

OPENSMTPD_RUN = """\
mkdir -p /var/lib/opensmtpd/empty
mkdir -m 711 /var/spool/smtpd
mount --bind {unpacked}/usr/libexec /usr/libexec
openssl x509 -in {folder}/server.pem -out {folder}/certificate.pem
openssl pkey -in {folder}/server.pem -out {folder}/key.pem
chmod 600 {folder}/key.pem
{unpacked}/usr/sbin/smtpd -d -v -T smtp -f {folder}/smtpd.conf
"""


class CannotRun(Exception):
    """This machine cannot run them; says why."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the servers.

    Args:
        packages: Debian's, with libraries that a small system lacks.
        files: what is written into its folder.
        start: what follows ``NAMESPACE``.
        queue_id: in the line that ends a transaction.
        spoken: a line of its log that has a line of its own.
        taken: a line of its log that has the queue id of a mail which it took.
        full: how it begins its refusal for full@.
        arrange: what else its folder needs.
    """

    name: str
    packages: tuple[str, ...]
    files: dict[str, str]
    start: str
    queue_id: re.Pattern[str]
    spoken: re.Pattern[str]
    taken: re.Pattern[str]
    full: str
    arrange: Callable[[Path, Path, int], None] = lambda _folder, _unpacked, _port: None

    def said(self, line: str) -> str | None:
        """What it said to a client, according to this line of its log."""
        found = self.spoken.search(line)
        return found[1] if found else None

    def took(self, line: str) -> str | None:
        """The queue id of the mail that it took, according to this line."""
        found = self.taken.search(line)
        return found[1] if found else None


def _arrange_postfix(folder: Path, unpacked: Path, port: int) -> None:
    """Debian's services but for the port, no chroot (it would need a populated one), and greylisting."""
    services = (unpacked / "usr/share/postfix/master.cf.dist").read_text()
    services = re.sub(r"(?m)^smtp(\s+inet\s)", rf"127.0.0.1:{port}\1", services)
    services = re.sub(r"(?m)^(\S+\s+\S+\s+\S\s+\S\s+)y", r"\1n", services)
    services += f"grey unix - n n - 0 spawn user=nobody argv=/bin/sh {folder}/grey.sh\n"
    (folder / "etc/master.cf").write_text(services)
    for name in ("postfix-files", "dynamicmaps.cf"):
        source = unpacked / "usr/share/postfix" / name
        if source.exists():
            shutil.copyfile(source, folder / "etc" / name)


KINDS = (
    Kind(
        name="Postfix",
        packages=("postfix",),
        files={
            "etc/main.cf": POSTFIX_MAIN,
            "grey.sh": POSTFIX_GREY.replace("${triple-}", "${{triple-}}"),
            "mailboxes": "bob@example.com bob\ngrey@example.com grey\nfull@example.com full\nalice@example.org alice\n",
            "access": "full@example.com 452 4.2.2 The mailbox is full\n",
        },
        start=POSTFIX_RUN,
        queue_id=re.compile(r"queued as (\S+)$"),
        spoken=re.compile(r"postfix/smtpd\[\d+\]: > \S+: (.*)$"),
        taken=re.compile(r"postfix/qmgr\[\d+\]: (\w+): from=.*\(queue active\)$"),
        full="452 4.2.2",
        arrange=_arrange_postfix,
    ),
    Kind(
        name="Exim",
        packages=("exim4-daemon-light", "libidn12"),
        files={"exim.conf": EXIM_CONF, "mailboxes": "bob: bob\ngrey: grey\nfull: full\nalice: alice\n"},
        start=EXIM_RUN,
        queue_id=re.compile(r"id=(\S+)$"),
        spoken=re.compile(r"SMTP>> (.*)$"),
        taken=re.compile(r"^\d{4}-\S+ \S+ (\S+) <= "),
        full="552 5.2.2",
    ),
    Kind(
        name="OpenSMTPD",
        packages=("opensmtpd", "libevent-2.1-7"),
        files={"smtpd.conf": OPENSMTPD_CONF, "grey.sh": OPENSMTPD_GREY},
        start=OPENSMTPD_RUN,
        queue_id=re.compile(r"^250 2\.0\.0 ([0-9a-f]{8}) "),
        spoken=re.compile(r"^smtp: \S+: >>> (.*)$"),
        taken=re.compile(r" smtp message msgid=([0-9a-f]{8}) "),
        full="452 4.2.2",
    ),
)


@dataclass(frozen=True, slots=True)
class MailServer:
    """A running one."""

    kind: Kind
    version: str
    port: int
    folder: Path

    def log(self) -> str:
        """All that it has logged so far."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("log*")))

    def mails(self) -> list[Path]:
        """The files of all mailboxes."""
        return [path for path in (self.folder / "mail").rglob("*") if path.is_file()]


@contextmanager
def running(kind: Kind, folder: Path, certificate: Path) -> Generator[MailServer]:
    """Unpacks a server into a folder and runs it until the end of the block.

    Args:
        kind: which.
        folder: an empty one, that other accounts can pass through.
        certificate: and key, PEM, for mx.test and 127.0.0.1.

    Raises:
        CannotRun: no root, no apt, or no package.
    """
    if os.geteuid() != 0:
        raise CannotRun("needs root, for mount namespaces of the servers")
    unpacked, version = _unpack(kind, folder)
    port = _free_port()
    _arrange(kind, folder, unpacked, port, certificate)
    # The pid namespace takes everything in it along; pdeathsig ends it when we are killed.
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]
    command += ["--pid", "--fork", "--kill-child=KILL", "--mount-proc", "sh", str(folder / "run.sh")]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    server = MailServer(kind, version, port, folder)
    try:
        _wait_until_it_answers(process, server)
        yield server
    finally:
        process.kill()
        process.wait(30)


def _unpack(kind: Kind, folder: Path) -> tuple[Path, str]:
    """Its files, and its version."""
    try:
        unpacked = unpack(folder, *kind.packages)
    except CannotUnpack as why:
        raise CannotRun(" ".join(str(why).split())) from why  # one line: the suite's last one names it
    (main,) = folder.glob(f"{kind.packages[0]}_*.deb")
    return unpacked, main.name.split("_")[1]


def _arrange(kind: Kind, folder: Path, unpacked: Path, port: int, certificate: Path) -> None:
    places = {"folder": folder, "unpacked": unpacked, "port": port}
    for name in ("etc", "queue", "mail", "grey"):
        (folder / name).mkdir()
    for name in ("mail", "grey"):
        (folder / name).chmod(0o777)
    users, groups = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
    users += "".join(f"{name}:x:{number}:{number}::/nonexistent:/bin/false\n" for name, number in USERS.items())
    groups += "".join(f"{name}:x:{number}:\n" for name, number in USERS.items())
    (folder / "passwd").write_text(users)
    (folder / "group").write_text(groups)
    (folder / "ld.so.cache").touch()
    shutil.copyfile(certificate, folder / "server.pem")
    (folder / "server.pem").chmod(0o600)
    for name, text in (kind.files | {"run.sh": NAMESPACE + kind.start + "exit $?\n"}).items():
        (folder / name).write_text(text.format(**places))
    kind.arrange(folder, unpacked, port)


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def _wait_until_it_answers(process: subprocess.Popen[bytes], server: MailServer) -> None:
    for _ in range(300):
        if process.poll() is not None:
            break
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as asking:
                if asking.recv(200).startswith(b"220 mx.test "):
                    asking.sendall(b"QUIT\r\n")
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{server.kind.name} does not start: {server.log()[-3000:]}")
