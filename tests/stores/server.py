"""An S3 server on a free port of the loopback address, with one bucket: server.py BUCKET

Prints the port and serves until its standard input ends, so it does not outlive who started it. Everything is in memory.
"""

import logging
import os
import sys
import threading

# The server takes any credentials but wants some.
os.environ.update(AWS_ACCESS_KEY_ID="nobody", AWS_SECRET_ACCESS_KEY="nothing", AWS_DEFAULT_REGION="us-east-1")

import boto3
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()

# It looks whether a key is taken and takes it in two steps: of eight creations at once it let two through now and then, and a
# broker refuses such a store. With one request at a time it is the store that it wants to be.
threaded = server._server.app
one = threading.Lock()


def serial(environ, start_response):
    with one:
        return list(threaded(environ, start_response))


server._server.app = serial
_, port = server.get_host_and_port()
boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}").create_bucket(Bucket=sys.argv[1])
print(port, flush=True)
sys.stdin.read()
server.stop()
