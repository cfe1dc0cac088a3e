"""Sealing content: AES-256-GCM under a fresh data key per owner, itself wrapped by a key-encryption key.

For the use cases, before they append and after they read. Sealed bytes are ciphertext followed by the 16-byte tag
(NIST SP 800-38D), the same whether sealed at once or in pieces. Erasing a wrapped key erases its content everywhere
(design D6). Wrapped key = key number u16, nonce (12), sealed data key (48); both seals name the purpose and the owner.
"""

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import AEADEncryptionContext, Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import GCM

from sealpost.content.placement import ContentDamaged

_KEY = 32
_NONCE = 12
_TAG = 16
_NUMBER = struct.Struct(">H")
_WRAPPED = _NUMBER.size + _NONCE + _KEY + _TAG


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a row keeps to open one sealed content again.

    Attributes:
        nonce: 12 bytes.
        wrapped_key: 62 bytes; erasing it erases the content.
        length: bytes of ciphertext and tag, as the placement's length will be.
    """

    nonce: bytes
    wrapped_key: bytes
    length: int


class Sealing:
    """One content being sealed in pieces."""

    def __init__(self, encryptor: AEADEncryptionContext, nonce: bytes, wrapped_key: bytes) -> None:
        self._encryptor = encryptor
        self._nonce = nonce
        self._wrapped_key = wrapped_key
        self._length = 0
        self._sealed: Sealed | None = None

    def update(self, piece: bytes | memoryview) -> bytes:
        """Seal the next piece; give its ciphertext, as long as the piece."""
        self._length += len(piece)
        return self._encryptor.update(piece)

    def finish(self) -> bytes:
        """Give the tail that belongs after the last ciphertext: the tag, 16 bytes."""
        tail = self._encryptor.finalize() + self._encryptor.tag
        self._sealed = Sealed(self._nonce, self._wrapped_key, self._length + len(tail))
        return tail

    @property
    def sealed(self) -> Sealed:
        """What the row keeps.

        Raises:
            RuntimeError: before `finish`.
        """
        if self._sealed is None:
            raise RuntimeError("the sealing is not finished")
        return self._sealed


class Vault:
    """Seals and opens for one purpose; safe to share between threads."""

    def __init__(self, keys: Mapping[int, bytes], current: int, purpose: bytes) -> None:
        """Take the key-encryption keys.

        Args:
            keys: by number (0 to 65535), 32 bytes each, all different.
            current: number of the key that wraps from now on; the others only open.
            purpose: bound into every seal, so that a mail never opens as content.

        Raises:
            ValueError: keys as described are not what was given.
        """
        if current not in keys or {len(key) for key in keys.values()} != {_KEY}:
            raise ValueError("a vault needs 32-byte keys, the current one among them")
        if len(set(keys.values())) != len(keys) or not all(0 <= number <= 0xFFFF for number in keys):
            raise ValueError("a vault's keys differ and have numbers of two bytes")
        self._keys = {_NUMBER.pack(number): AESGCM(key) for number, key in keys.items()}
        self._current = _NUMBER.pack(current)
        self._purpose = purpose

    def seal(self, owner: UUID, plaintext: bytes | memoryview) -> tuple[bytes, Sealed]:
        """Seal a content that is in memory.

        Args:
            owner: whose content; it opens for this owner only.
            plaintext: below 2**31 bytes.

        Returns:
            Ciphertext with tag, and what the row keeps.
        """
        bound = self._purpose + owner.bytes
        key, nonce = os.urandom(_KEY), os.urandom(_NONCE)
        ciphertext = AESGCM(key).encrypt(nonce, plaintext, bound)
        return ciphertext, Sealed(nonce, self._wrap(key, bound), len(ciphertext))

    def sealing(self, owner: UUID) -> Sealing:
        """Begin to seal a content that comes in pieces; same format as `seal`."""
        bound = self._purpose + owner.bytes
        key, nonce = os.urandom(_KEY), os.urandom(_NONCE)
        encryptor = Cipher(AES256(key), GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(bound)
        return Sealing(encryptor, nonce, self._wrap(key, bound))

    def open(self, owner: UUID, nonce: bytes, wrapped_key: bytes, ciphertext: bytes) -> bytes:
        """Open a sealed content, whole or not at all.

        Args:
            owner: as at sealing.
            nonce: 12 bytes, from the row.
            wrapped_key: 62 bytes, from the row.
            ciphertext: ciphertext with tag, from the store.

        Returns:
            The plaintext.

        Raises:
            ContentDamaged: something does not authenticate, or the wrapping key is not here.
        """
        bound = self._purpose + owner.bytes
        wrapping = self._keys.get(wrapped_key[: _NUMBER.size])
        if wrapping is None or len(wrapped_key) != _WRAPPED or len(nonce) != _NONCE:
            raise ContentDamaged("no key, or a seal of the wrong shape")
        try:
            key = wrapping.decrypt(wrapped_key[_NUMBER.size :][:_NONCE], wrapped_key[_NUMBER.size + _NONCE :], bound)
            return AESGCM(key).decrypt(nonce, ciphertext, bound)
        except InvalidTag as error:
            raise ContentDamaged("the seal does not authenticate") from error

    def seal_whole(self, owner: UUID, plaintext: bytes) -> bytes:
        """Seal something small into one value: nonce, wrapped key, ciphertext with tag."""
        ciphertext, sealed = self.seal(owner, plaintext)
        return sealed.nonce + sealed.wrapped_key + ciphertext

    def open_whole(self, owner: UUID, sealed: bytes) -> bytes:
        """Open what `seal_whole` gave.

        Raises:
            ContentDamaged: as `open`.
        """
        end = _NONCE + _WRAPPED
        return self.open(owner, sealed[:_NONCE], sealed[_NONCE:end], sealed[end:])

    def _wrap(self, key: bytes, bound: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return self._current + nonce + self._keys[self._current].encrypt(nonce, key, bound)
