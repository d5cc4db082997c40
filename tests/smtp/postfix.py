"""A Postfix of our own: its queue, its log and its port in one folder. Needs root and the Debian package."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix's own commands are reserved for the superuser")
"""Mark of tests with a Postfix: whoever is not root has the others of `make test-peers`."""

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 1 1 pickup
local unix - n n - - local
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """Relays mail for `example.ru` to `transport` (`smtp:[127.0.0.1]:PORT`, `lmtp:unix:/path`).

    `settings` are the lines of its main.cf, read when it starts.
    """

    def __init__(self, transport: str, **more: str) -> None:
        # its user has to reach it, and folders of tests are root's alone
        self.folder = Path(tempfile.mkdtemp(prefix="otklik-postfix-"))
        self.folder.chmod(0o755)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.settings = {
            "compatibility_level": "3.6",
            "queue_directory": f"{self.folder}/queue",
            "data_directory": f"{self.folder}/data",
            "command_directory": "/usr/sbin",
            "daemon_directory": "/usr/lib/postfix/sbin",
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "maillog_file": f"{self.folder}/log",
            "maillog_file_prefixes": f"{self.folder}",
            "myhostname": "mx.relay.example",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "mydestination": "",
            "relay_domains": "example.ru",
            "transport_maps": f"inline:{{{{example.ru={transport}}}}}",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtp_dns_support_level": "disabled",
            "minimal_backoff_time": "1s",
            "queue_run_delay": "1s",
            "alias_maps": "",
            "local_recipient_maps": "",
            **more,
        }
        etc = self.folder / "etc"
        for part in (etc, self.folder / "queue", self.folder / "data"):
            part.mkdir()
        shutil.chown(self.folder / "data", "postfix")
        (etc / "master.cf").write_text(_MASTER.format(port=self.port))

    def start(self) -> None:
        """Begin to relay."""
        main = "".join(f"{name} = {value}\n" for name, value in self.settings.items())
        (self.folder / "etc" / "main.cf").write_text(main)
        self._run("start")

    def stop(self) -> None:
        """End, and leave nothing behind."""
        self._run("stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, verb: str) -> None:
        command = ["postfix", "-c", str(self.folder / "etc"), verb]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
        assert done.returncode == 0, done.stderr

    @property
    def log(self) -> str:
        """What it logged."""
        return (self.folder / "log").read_text() if (self.folder / "log").exists() else ""
