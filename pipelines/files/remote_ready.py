"""Imported by the process that workers are forked from, of a build on S3: what each worker would do again.

Reading S3's description takes longer than a worker of a small build works. No connection is opened here.
"""

from pipelines.files import remote_s3

remote_s3.client()
