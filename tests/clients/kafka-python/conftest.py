import pytest
from client import Client


@pytest.fixture
def client(bootstrap):
    client = Client(bootstrap)
    yield client
    client.close()
