"""`roamhub serve`: run a hub until it is told to stop."""

from hub.cli.options import ConfigFile, commands, load_config

app = commands(group=False)


@app.command()
def serve(config: ConfigFile = None) -> None:
    """Run a hub until SIGTERM or SIGINT; then let calls in flight finish, and exit.

    With no settings it keeps everything in ./roamhub-data and listens on 127.0.0.1:7443 (partners and operators, mutual
    TLS) and :7444 (registration). The first start makes the data directory, a certificate authority, and operator.pem:
    the certificate with which the other commands reach this hub.
    """
    import asyncio
    import signal

    import uvloop

    from hub.logs import configure
    from hub.main import Hub

    settings = load_config(config)
    configure(settings.log_format, settings.log_level)

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        hub = Hub(settings)
        try:
            await hub.start()
            await stop.wait()
        finally:
            await hub.stop()

    uvloop.run(run())
