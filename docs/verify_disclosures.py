"""Verify your chain of the disclosure log: python verify_disclosures.py SOURCE...  (needs the package cryptography)
SOURCE: intake's address (token in LOTSE_TOKEN), or a folder of saved answers disclosures*, heads*, keys*.json."""

import base64, hashlib, json, os, sys
from pathlib import Path
from urllib.request import Request, urlopen
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
found = {"disclosures": [], "heads": [], "keys": []}
for source, name in [(source, name) for source in sys.argv[1:] for name in found]:
    url = f"{source}/v1/disclosures{'' if name == 'disclosures' else '/' + name}?limit=1000"
    bearer = {"Authorization": f"Bearer {os.environ['LOTSE_TOKEN']}"} if source.startswith("http") else {}
    pages = [url] if bearer else [file.absolute().as_uri() for file in Path(source).glob(f"{name}*.json")]
    for each in pages:  # grows while there are further ones
        page = json.load(urlopen(Request(each, headers=bearer)))
        found[name] += page[name]
        pages += [f"{url}&after={page['next_after']}"] if bearer and page.get("next_after") else []
rows, notes, wrong = {0: "0" * 64}, [], []
for row in sorted(found["disclosures"], key=lambda row: row["number"]):
    number, hashed = row["number"], row.pop("hash")
    if hashlib.sha256(canonical(row).encode()).hexdigest() != hashed or rows.get(number, hashed) != hashed:
        wrong.append(f"row {number} was changed")
    if rows.get(number - 1) != row["previous_hash"]:
        wrong.append(f"row {number} does not follow on row {number - 1}, which is missing or another")
    notes += [f"row {number}: the operator restored the database"] if row["kind"] == "restored" else []
    rows[number] = hashed
keys = {key["kid"]: base64.urlsafe_b64decode(key["x"] + "=") for key in found["keys"]}
for head in found["heads"]:
    key_id, signature, of_day = head.pop("key_id"), head.pop("signature"), f"the signed head of {head['day']}"
    if rows.get(head["number"]) != head["hash"]:
        wrong.append(f"{of_day} has another row {head['number']} than the chain{', see the restore' * bool(notes)}")
    try:
        Ed25519PublicKey.from_public_bytes(keys[key_id]).verify(bytes.fromhex(signature), canonical(head).encode())
    except (InvalidSignature, KeyError):
        wrong.append(f"{of_day} bears no signature of a published key")
of, by = {each["recipient"] for each in found["disclosures"] + found["heads"]}, [key["x"] for key in found["keys"]]
print(*wrong, *notes, f"{len(rows) - 1} rows and {len(found['heads'])} signed heads of {of}, keys {by}", sep="\n")
sys.exit(len(wrong) > 0)
