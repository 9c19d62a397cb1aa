"""What the fixtures ask of a broker that they did not start: a host and a port."""


class ExternalService:
    def __init__(self, host, port):
        self.host = host
        self.port = port

    def open(self):
        pass

    def close(self):
        pass


class SpawnedService:
    def __init__(self, args, env):
        raise NotImplementedError("only a broker that is already there")
