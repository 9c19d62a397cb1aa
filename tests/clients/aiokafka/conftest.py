import pytest_asyncio
from client import Client


@pytest_asyncio.fixture
async def client(bootstrap):
    client = Client(bootstrap)
    await client.start()
    yield client
    await client.stop()
