"""Keycloak: the identity provider with a realm as the platform has it. Only tests start it."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msr_local import maven, rest
from msr_local.errors import LocalError
from msr_local.java import find_java
from msr_local.process import Service, run_to_end

POM = Path(__file__).parent.parent / "keycloak" / "pom.xml"
REALM_FILE = Path(__file__).parent.parent / "config" / "keycloak" / "realm.json"

REALM = "aoh"
CLIENT = "msr"
CONSOLE = "msr-console"  # people sign in to the console as this one
ADMINISTRATOR = "master"  # of the server, name and password
KEYS = "org.keycloak.keys.KeyProvider"

# What bin/kc.sh does, in one process: the script's child would outlive the script.
OPENED = ("java.util", "java.util.concurrent", "java.security")
THREADS = "io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory"
OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # starts a third faster
    "-XX:+ExitOnOutOfMemoryError",
    *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED),
    f"-Djava.util.concurrent.ForkJoinPool.common.threadFactory={THREADS}",
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
    "-Dpicocli.disable.closures=true",
)


@dataclass(frozen=True)
class Distribution:
    """The folder that Maven fills with Keycloak, built for an embedded database."""

    folder: Path

    @property
    def home(self) -> Path:
        """The unpacked server."""
        return next((self.folder / "server").glob("keycloak-*"))

    def fetch(self, halt: threading.Event | None = None) -> bool:
        """Let Maven fill the folder, unless it is complete; says whether there was something to fetch.

        Args:
            halt: Set by somebody who no longer wants to wait.
        """
        return maven.fetch(POM, self.folder, "Keycloak", ("server",), halt, self._build)

    def _build(self) -> None:
        """Do once what every start would do anew (10 s)."""
        run_to_end(java(self.home, "build", "--db=dev-file"), self.folder)


class Keycloak(Service):
    """The server with the realm `aoh`; its data stay in `keycloak/data` of the stack's folder.

    Attributes:
        port: Where it listens.
        url: Its address.
        issuer: The realm's, for IAMS_KEYCLOAK_URL.
    """

    def __init__(self, root: Path, port: int, distribution: Distribution, halt: threading.Event | None = None) -> None:
        super().__init__("keycloak", root, halt)
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.issuer = f"{self.url}/realms/{REALM}"
        self._distribution = distribution

    def prepare(self) -> None:
        """Lay out a home: the server's programs shared, the data and the realm to import its own."""
        for name in ("conf", "lib", "providers", "themes"):
            link = self.home / name
            link.unlink(missing_ok=True)
            link.symlink_to(self._distribution.home / name)
        imported = self.home / "data" / "import"
        imported.mkdir(parents=True, exist_ok=True)
        (imported / "realm.json").write_bytes(REALM_FILE.read_bytes())

    def command(self) -> list[str]:
        """The server alone on the loopback address; a realm that is there already is not imported again."""
        listen = ["--http-enabled=true", "--http-host=127.0.0.1", f"--http-port={self.port}"]
        alone = ["--hostname-strict=false", "--cache=local"]
        return java(self.home, "start", "--optimized", "--import-realm", *listen, *alone)

    def environment(self) -> dict[str, str]:
        """The administrator that the first start makes."""
        return {"KC_BOOTSTRAP_ADMIN_USERNAME": ADMINISTRATOR, "KC_BOOTSTRAP_ADMIN_PASSWORD": ADMINISTRATOR}

    def ready(self) -> bool:
        """Whether the realm answers."""
        return rest.request("GET", self.issuer)[0] == 200

    def token(self, name: str) -> str:
        """A token for one of the realm's users, whose passwords are their names."""
        return self._token(REALM, CLIENT, name)

    def administrators_token(self) -> str:
        """A token of the server's administrator: of another realm than `aoh`."""
        return self._token("master", "admin-cli", ADMINISTRATOR)

    def let_sign_in(self, address: str) -> None:
        """Let people sign in to the console that is served there, with a trailing slash."""
        [console] = self._administer("GET", f"/clients?clientId={CONSOLE}")
        self._administer("PUT", f"/clients/{console['id']}", console | {"redirectUris": [address]})

    def shorten_tokens(self, seconds: int) -> None:
        """Let access tokens last so long from now on."""
        self._administer("PUT", "", {"accessTokenLifespan": seconds})

    def add_key(self, name: str) -> None:
        """Have the realm sign with a new key; the others stay published."""
        settings = {"priority": ["200"], "enabled": ["true"], "active": ["true"], "algorithm": ["RS256"]}
        key = {"name": name, "providerId": "rsa-generated", "providerType": KEYS, "config": settings}
        self._administer("POST", "/components", key)

    def remove_key(self, name: str) -> None:
        """Have the realm publish a key no longer; that of its beginning is called `rsa-generated`."""
        for key in self._administer("GET", f"/components?type={KEYS}"):
            if key["name"] == name:
                self._administer("DELETE", f"/components/{key['id']}")

    def _administer(self, method: str, path: str, body: object = None) -> Any:
        url = f"{self.url}/admin/realms/{REALM}{path}"
        status, answer = rest.request(method, url, body, self.administrators_token())
        if not 200 <= status < 300:
            raise LocalError(f"Keycloak refused {method} {path}: {status} {answer}")
        return answer

    def _token(self, realm: str, client: str, name: str) -> str:
        url = f"{self.url}/realms/{realm}/protocol/openid-connect/token"
        form = {"grant_type": "password", "client_id": client, "username": name, "password": name}
        status, answer = rest.request("POST", url, form=form)
        if status != 200:
            raise LocalError(f"Keycloak gave no token to {name}: {status} {answer}")
        return str(answer["access_token"])


def java(home: Path, *arguments: str) -> list[str]:
    """The command line of Keycloak's program.

    Args:
        home: The server's folder.
        arguments: The command and its options.
    """
    places = [f"-Dkc.home.dir={home}", f"-Djboss.server.config.dir={home / 'conf'}"]
    start = ["-cp", str(home / "lib" / "quarkus-run.jar"), "io.quarkus.bootstrap.runner.QuarkusEntryPoint"]
    return [find_java(), "-Xmx384m", *OPTIONS, *places, *start, *arguments]
