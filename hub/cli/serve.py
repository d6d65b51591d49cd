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
    from hub.collector import loading

    with loading():
        import uvloop

        from hub.logs import configure
        from hub.main import serve as run

    settings = load_config(config)
    configure(settings.log_format, settings.log_level)
    uvloop.run(run(settings))
