"""Memory stores with the limits of other services, which enforce them as the services do."""

from collections.abc import Sequence

from cipherbucket.errors import StoreError
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.records import Part, StoredObject
from cipherbucket.stores.requests import Condition, MetadataChange, NewObject


class StrictStore(MemoryStore):
    """A store with least parts of 256 KiB and 2 KiB of metadata, as S3's are 5 MiB and 2 KiB.

    Attributes:
        sizes: The sizes of the parts of every object that was completed, in order.
    """

    min_part_size = 256 << 10
    max_metadata = 2048

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[list[int]] = []

    def _refuse_metadata(self, metadata: dict[str, str]) -> None:
        total = sum(len(key.encode()) + len(text.encode()) for key, text in metadata.items())
        if total > self.max_metadata:
            raise StoreError("MetadataTooLarge")

    def _put(self, new: NewObject, *rest: object) -> StoredObject:
        self._refuse_metadata(new.metadata)
        return super()._put(new, *rest)  # type: ignore[arg-type]

    def _begin_upload(self, new: NewObject) -> str:
        self._refuse_metadata(new.metadata)
        return super()._begin_upload(new)

    def _replace_metadata(self, change: MetadataChange) -> StoredObject:
        self._refuse_metadata(change.metadata)
        return super()._replace_metadata(change)

    def _complete_upload(
        self, name: str, upload_id: str, parts: Sequence[Part], condition: Condition
    ) -> StoredObject:
        sizes = [part.size for part in parts]
        if any(size < self.min_part_size for size in sizes[:-1]):
            raise StoreError("EntityTooSmall")
        self.sizes.append(sizes)
        return super()._complete_upload(name, upload_id, parts, condition)


class EqualStore(StrictStore):
    """A store that wants equal parts, as Cloudflare R2 does."""

    equal_parts = True

    def _complete_upload(
        self, name: str, upload_id: str, parts: Sequence[Part], condition: Condition
    ) -> StoredObject:
        sizes = [part.size for part in parts]
        if len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0]:
            raise StoreError(f"InvalidPart: parts of {sizes}")
        return super()._complete_upload(name, upload_id, parts, condition)
