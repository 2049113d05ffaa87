"""The vault: what persons said, sealed (sealing), under data keys in a database of their own (keys), each wrapped by
the operator's key (wrapping) or by a KMS (kms); and by what a unit finds a person again (index).
"""

from services.intake.vault.index import BlindIndex, load_blind_index
from services.intake.vault.keys import FIRST, Rewrapped, Vault, open_vault
from services.intake.vault.sealing import DataKey, Said, new_data_key, seal, unseal
from services.intake.vault.wrapping import WrapperAway, WrappingKeyLost

__all__ = [
    "FIRST",
    "BlindIndex",
    "DataKey",
    "Rewrapped",
    "Said",
    "Vault",
    "WrapperAway",
    "WrappingKeyLost",
    "load_blind_index",
    "new_data_key",
    "open_vault",
    "seal",
    "unseal",
]
