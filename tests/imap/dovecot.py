"""A real Dovecot on ports of its own, for as long as it is needed."""

from __future__ import annotations

import grp
import os
import pwd
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from bench.processes import free_ports
from tests.certificate import make_certificate

USER = "help@desk.example"
PASSWORD = "secret"

_CONFIG = """
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = maildir:{folder}/mail
mail_max_userip_connections = 50
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {secure_port}
    ssl = yes
  }}
}}
"""

_ROOTLESS = """
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
}}
"""
"""Who is not root runs all of it by himself (Dovecot manual, "Rootless Installation")."""


class Dovecot:
    """One mailbox of one user; `port` is in the clear and with STARTTLS, `secure_port` with TLS."""

    def __init__(self) -> None:
        # not below the folders of pytest, which nobody but root may enter
        self.folder = Path(tempfile.mkdtemp(prefix="otklik-dovecot-"))
        self.folder.chmod(0o755)
        self.port, self.secure_port = free_ports(2)
        self._root = os.geteuid() == 0
        self.owner = pwd.getpwnam("nobody") if self._root else pwd.getpwuid(os.geteuid())
        self._config = self.folder / "dovecot.conf"
        for name in ("mail", "home"):
            (self.folder / name).mkdir()
        self.ca, _ = make_certificate(self.folder)
        self._config.write_text(
            (_CONFIG if self._root else _CONFIG + _ROOTLESS).format(
                folder=self.folder,
                password=PASSWORD,
                uid=self.owner.pw_uid,
                gid=self.owner.pw_gid,
                user=self.owner.pw_name,
                group=grp.getgrgid(self.owner.pw_gid).gr_name,
                port=self.port,
                secure_port=self.secure_port,
            )
        )
        self._own()

    def _own(self) -> None:
        if not self._root:
            return
        subprocess.run(
            ["chown", "-R", f"{self.owner.pw_uid}:{self.owner.pw_gid}", self.folder / "mail", self.folder / "home"],
            check=True,
        )

    def start(self) -> None:
        """Run it."""
        # it goes on in the background and would keep a pipe open
        with (self.folder / "start").open("wb") as told:
            subprocess.run(["dovecot", "-c", self._config], check=True, stdout=told, stderr=told, timeout=20)

    def stop(self) -> None:
        """End it; returns when its process is gone."""
        told = self.folder / "run" / "master.pid"
        if not told.exists():
            return
        master = os.pidfd_open(int(told.read_text()))
        try:
            subprocess.run(
                ["doveadm", "-c", self._config, "stop"],
                check=False,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=20,
            )
            # a process that has ended is readable, pidfd_open(2)
            assert select.select([master], [], [], 20)[0], "Dovecot does not end"
        finally:
            os.close(master)

    def close(self) -> None:
        """End it for good."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def deliver(self, mails: Iterable[bytes], folder: str = "") -> int:
        """Put mails into a folder (its name on the wire) as a delivery agent does; how many there were."""
        box = self.folder / "mail" / (f".{folder}" if folder else "")
        for part in ("new", "cur", "tmp"):
            (box / part).mkdir(parents=True, exist_ok=True)
        number = 0
        for number, raw in enumerate(mails, 1):
            name = f"{time.time_ns()}.M{number}.test"
            (box / "tmp" / name).write_bytes(raw)
            (box / "tmp" / name).rename(box / "new" / name)
        self._own()
        return number

    def renumber(self) -> None:
        """Forget every UID, as after a restored backup: UIDVALIDITY is another one afterwards."""
        for pattern in ("dovecot-uidlist", "dovecot-uidvalidity*", "dovecot.index*"):
            for found in (self.folder / "mail").glob(pattern):
                found.unlink()

    def seen(self, folder: str = "") -> int:
        """How many mails of a folder bear \\Seen, as its files say."""
        box = self.folder / "mail" / (f".{folder}" if folder else "")
        return sum("S" in name.name.partition(":2,")[2] for name in (box / "cur").iterdir())
