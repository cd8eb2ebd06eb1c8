"""Amazon's own client against the fake: what it sends by default must be understood.

Takes S3_ENDPOINT, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY from the environment, and needs a
bucket `locked` with Object Lock. Prints one line per check; status 0 only if all passed.
"""

import datetime
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["S3_ENDPOINT"],
    region_name="us-east-1",
    config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
)
BUCKET = "locked"
failed = False


def check(name, passed):
    global failed
    failed |= not passed
    print(("ok " if passed else "FAILED ") + name)


def refused(name, code, call, **arguments):
    try:
        call(Bucket=BUCKET, **arguments)
    except ClientError as error:
        check(f"{name}: {code}", error.response["Error"]["Code"] == code)
    else:
        check(f"{name}: {code}", False)


body = bytes(range(256)) * 1000
now = datetime.datetime.now(datetime.timezone.utc)
until = now + datetime.timedelta(hours=1)

# The default checksum goes as a trailer of a signed, chunked body.
put = s3.put_object(Bucket=BUCKET, Key="a key/ü&+", Body=body)
got = s3.get_object(Bucket=BUCKET, Key="a key/ü&+", VersionId=put["VersionId"])
check("round trip", got["Body"].read() == body and got["ChecksumCRC32"] == put["ChecksumCRC32"])

for algorithm in ("CRC32C", "CRC64NVME", "SHA1", "SHA256"):
    try:
        s3.put_object(Bucket=BUCKET, Key="sum", Body=body, ChecksumAlgorithm=algorithm)
        check(f"checksum {algorithm}", True)
    except Exception as error:  # some algorithms need a library that is not there
        check(f"checksum {algorithm}", "crt" in str(error).lower())

lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
locked = s3.put_object(Bucket=BUCKET, Key="locked", Body=b"x", **lock)["VersionId"]
retention = s3.get_object_retention(Bucket=BUCKET, Key="locked")["Retention"]
check("retention", retention["Mode"] == "COMPLIANCE" and abs(retention["RetainUntilDate"] - until).seconds < 2)
refused("delete", "AccessDenied", s3.delete_object, Key="locked", VersionId=locked, BypassGovernanceRetention=True)
sooner = {"Mode": "COMPLIANCE", "RetainUntilDate": now + datetime.timedelta(minutes=1)}
refused("shorten", "AccessDenied", s3.put_object_retention, Key="locked", Retention=sooner)
weaker = {"Mode": "GOVERNANCE", "RetainUntilDate": until}
refused("downgrade", "AccessDenied", s3.put_object_retention, Key="locked", Retention=weaker)
past = {"Mode": "COMPLIANCE", "RetainUntilDate": now - datetime.timedelta(days=1)}
refused("past", "InvalidArgument", s3.put_object_retention, Key="locked", Retention=past)
later = {"Mode": "COMPLIANCE", "RetainUntilDate": until + datetime.timedelta(hours=1)}
s3.put_object_retention(Bucket=BUCKET, Key="locked", Retention=later)
suspend = {"Status": "Suspended"}
refused("suspend", "InvalidBucketState", s3.put_bucket_versioning, VersioningConfiguration=suspend)
refused("create twice", "PreconditionFailed", s3.put_object, Key="locked", Body=b"y", IfNoneMatch="*")

s3.put_object_legal_hold(Bucket=BUCKET, Key="locked", LegalHold={"Status": "ON"})
hold = s3.get_object_legal_hold(Bucket=BUCKET, Key="locked")["LegalHold"]["Status"]
check("hold", hold == "ON")

free = s3.put_object(Bucket=BUCKET, Key="free", Body=b"x")["VersionId"]
objects = [{"Key": "locked", "VersionId": locked}, {"Key": "free", "VersionId": free}]
batch = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": objects})
denied = [(error["Key"], error["Code"]) for error in batch.get("Errors", [])]
gone = [deleted["Key"] for deleted in batch.get("Deleted", [])]
check("batch", denied == [("locked", "AccessDenied")] and gone == ["free"])

upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts", **lock)["UploadId"]
parts = []
for number, part in enumerate([b"1" * (5 << 20), b"2"], start=1):
    sent = s3.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=number, Body=part)
    parts.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumCRC32": sent["ChecksumCRC32"]})
listed = s3.list_parts(Bucket=BUCKET, Key="parts", UploadId=upload)["Parts"]
check("parts", [part["Size"] for part in listed] == [5 << 20, 1])
done = s3.complete_multipart_upload(Bucket=BUCKET, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
head = s3.head_object(Bucket=BUCKET, Key="parts")
check("locked parts", head["ObjectLockMode"] == "COMPLIANCE" and head["ContentLength"] == (5 << 20) + 1)
refused("delete parts", "AccessDenied", s3.delete_object, Key="parts", VersionId=done["VersionId"])

s3.put_object_lock_configuration(
    Bucket=BUCKET,
    ObjectLockConfiguration={
        "ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}},
    },
)
rule = s3.get_object_lock_configuration(Bucket=BUCKET)["ObjectLockConfiguration"]["Rule"]
check("default", rule["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 3})
s3.put_object(Bucket=BUCKET, Key="by default", Body=b"x")
head = s3.head_object(Bucket=BUCKET, Key="by default")
check("by default", head["ObjectLockMode"] == "GOVERNANCE")

for number in range(25):
    s3.put_object(Bucket=BUCKET, Key=f"many/{number:03}", Body=b"x")
s3.delete_object(Bucket=BUCKET, Key="many/007")
pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="many/", PaginationConfig={"PageSize": 7})
keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
check("pages", len(keys) == 24 and "many/007" not in keys and keys == sorted(keys))
pages = s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET, Prefix="many/", PaginationConfig={"PageSize": 4})
versions = markers = 0
for page in pages:
    versions += len(page.get("Versions", []))
    markers += len(page.get("DeleteMarkers", []))
check("versions", (versions, markers) == (25, 1))

sys.exit(failed)
