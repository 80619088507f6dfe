"""The real S3 server, and its buckets as a client that is not Inlet sees them: pyarrow's."""

from __future__ import annotations

import dataclasses
import pathlib
import uuid

import pyarrow.fs

import program
from local_server import LocalServer

KEY = "inlet"
SECRET = "inlet-secret"
REGION = "us-east-1"

# Credentials come from the environment alone: no file of this machine, and no service of it is ever asked.
NOWHERE = {
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "AWS_METADATA_ENDPOINT": "http://127.0.0.1:1",
}
CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET} | NOWHERE
# Of whom Bucket.let_read says what he may do.
READER = {"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": "reader-secret"} | NOWHERE


class Server(LocalServer):
    SCRIPT = program.ROOT / "scripts" / "s3-server.sh"

    def files(self) -> pyarrow.fs.S3FileSystem:
        return pyarrow.fs.S3FileSystem(
            access_key=KEY,
            secret_key=SECRET,
            region=REGION,
            scheme="http",
            endpoint_override=self.address.removeprefix("http://"),
            allow_bucket_creation=True,
        )

    def let_read(self, bucket: str) -> None:
        self._script("reader", str(self.directory), bucket)

    def new_bucket(self) -> "Bucket":
        name = f"b-{uuid.uuid4().hex[:12]}"
        self.files().create_dir(name)
        return Bucket(self, name)


@dataclasses.dataclass(frozen=True)
class Bucket:
    server: Server
    name: str

    @property
    def lake(self) -> str:
        return f"s3://{self.name}/lake"

    def let_read(self) -> None:
        """READER may list the bucket and get its objects from now on (s3:ListBucket, s3:GetObject), and nothing else."""
        self.server.let_read(self.name)

    def written(self) -> dict[str, tuple]:
        """Every object of the bucket, with its size and the time it was put."""
        found = self.server.files().get_file_info(pyarrow.fs.FileSelector(self.name, recursive=True))
        return {info.path: (info.size, info.mtime_ns) for info in found if info.type == pyarrow.fs.FileType.File}

    def keys(self, prefix: str = "lake") -> dict[str, int]:
        """Objects below the prefix and their sizes, by their names below it."""
        selector = pyarrow.fs.FileSelector(f"{self.name}/{prefix}", recursive=True, allow_not_found=True)
        found = self.server.files().get_file_info(selector)
        return {
            info.path.removeprefix(f"{self.name}/{prefix}/"): info.size for info in found if info.type == pyarrow.fs.FileType.File
        }

    def read(self, key: str, prefix: str = "lake") -> bytes:
        with self.server.files().open_input_file(f"{self.name}/{prefix}/{key}") as file:
            return file.read()

    def write(self, key: str, data: bytes, prefix: str = "lake") -> None:
        with self.server.files().open_output_stream(f"{self.name}/{prefix}/{key}") as file:
            file.write(data)

    def delete(self, key: str, prefix: str = "lake") -> None:
        self.server.files().delete_file(f"{self.name}/{prefix}/{key}")

    def copy_out(self, directory: pathlib.Path) -> pathlib.Path:
        """The lake as files of local disk, for whoever reads those: the oracle."""
        for key, size in self.keys().items():
            path = directory / key
            if key.endswith(".parquet") and path.exists() and path.stat().st_size == size:
                continue  # written once
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.read(key))
        return directory

    def storage_options(self) -> dict[str, str]:
        """For delta-rs."""
        return {
            "AWS_ENDPOINT_URL": self.server.address,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_ALLOW_HTTP": "true",
        }

    def settings(self, cache: pathlib.Path, *more: str) -> list[str]:
        """Flags that reach it, with a cache of the test's own; a request gives up soon."""
        return program.sets(
            f"storage.endpoint={self.server.address}",
            "storage.region=us-east-1",
            "storage.allow_http=true",
            "storage.retry_timeout=1s",
            f"storage.cache={cache}",
            *more,
        )
