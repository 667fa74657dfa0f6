"""nginx and Apache with the snippets of deploy/, as instances of their own on loopback."""

import os
import signal
import subprocess

from . import wire
from .process import TREE, Process, accepts, free_port
from .tls import Certificate
from .traefik import swap

NGINX = """
daemon off;
{user}
pid {dir}/nginx.pid;
error_log {dir}/error.log info;
events {{}}
http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{https} ssl http2;
        server_name localhost;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        include {dir}/sigpost*.conf;
    }}
}}
"""
APACHE = """
ServerRoot {dir}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {dir}/httpd.pid
ErrorLog {dir}/error.log
DocumentRoot /srv
<Directory />
    AllowOverride None
</Directory>
DefaultRuntimeDir {dir}
Mutex file:{dir} default
{user}
{modules}
<VirtualHost 127.0.0.1:{port}>
    Include {dir}/sigpost.conf
</VirtualHost>
"""
APACHE_MODULES = "mpm_event authz_core proxy proxy_http headers rewrite"


class WebServer:
    """`check` is the command that judges the configuration, `run` the one that serves it."""

    def __init__(self, directory, gateway, snippets, grpc=None):
        self.dir = directory
        self.dir.mkdir(parents=True)
        self.port, self.https = free_port(), free_port()
        self.certificate = Certificate(self.dir)
        self.process = None
        places = {
            "127.0.0.1:8080": f"127.0.0.1:{gateway.port}",
            "127.0.0.1:4317": f"127.0.0.1:{grpc}",
        }
        for snippet in snippets:
            text = (TREE / "deploy" / snippet).read_text()
            used = {old: new for old, new in places.items() if old in text}
            assert "127.0.0.1:8080" in used
            (self.dir / os.path.basename(snippet)).write_text(swap(text, used))

    def start(self):
        self.process = Process(self.name, self.run, self.dir / f"{self.name}.log")
        self.process.wait_ready(lambda: accepts(self.port), 20)
        return self

    def checked(self):
        """What the program itself says of the configuration."""
        done = subprocess.run(self.check, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def close(self):
        if self.process is None:
            return
        try:
            if self.process.alive():
                self.process.send(signal.SIGTERM)
                self.process.wait(20)
        finally:
            self.process.kill()

    def exchange(self, method, path, headers=(), body=None):
        return wire.exchange(self.port, method, path, headers, body)

    def post(self, path, headers, body):
        return wire.post(self.port, path, headers, body)


class Nginx(WebServer):
    name = "nginx"

    def __init__(self, directory, gateway, **options):
        snippets = ["nginx/sigpost.conf", "nginx/sigpost-auth.conf"]
        super().__init__(directory, gateway, snippets, **options)
        config = self.dir / "nginx.conf"
        config.write_text(
            NGINX.format(
                dir=self.dir,
                port=self.port,
                https=self.https,
                certificate=self.certificate.file,
                key=self.certificate.key,
                # As root it would give its workers away to somebody who may not read this directory.
                user="user root;" if os.getuid() == 0 else "",
            )
        )
        self.run = ["/usr/sbin/nginx", "-p", self.dir, "-c", config, "-e", self.dir / "error.log"]
        self.check = [*self.run, "-t"]


class Apache(WebServer):
    name = "apache2"

    def __init__(self, directory, gateway):
        super().__init__(directory, gateway, ["apache/sigpost.conf"])
        where = "/usr/lib/apache2/modules"
        config = self.dir / "httpd.conf"
        config.write_text(
            APACHE.format(
                dir=self.dir,
                port=self.port,
                modules="\n".join(
                    f"LoadModule {name}_module {where}/mod_{name}.so"
                    for name in APACHE_MODULES.split()
                ),
                user="User www-data\nGroup www-data" if os.getuid() == 0 else "",
            )
        )
        self.run = ["/usr/sbin/apache2", "-f", config, "-DFOREGROUND"]
        self.check = ["/usr/sbin/apache2", "-f", config, "-t"]
