#!/bin/sh
# Gives mailoop each certificate that certbot has renewed, with the rights of its user, and has it read again.
#
#   install -d -o root -g mailoop -m 750 /etc/mailoop
#   install -m 755 docs/deploy/certbot-deploy-hook.sh /etc/letsencrypt/renewal-hooks/deploy/mailoop
#   RENEWED_LINEAGE=/etc/letsencrypt/live/mail.example.org /etc/letsencrypt/renewal-hooks/deploy/mailoop      for the first time
#
# with, in /etc/mailoop.toml:
#
#   tls-cert = ["/etc/mailoop/mail.example.org.pem"]
#   tls-key = ["/etc/mailoop/mail.example.org.key"]
#
# The folders of certbot stay root's: only copies are for others, the key for nobody but the server. A server that runs keeps what it
# has read until the reload, so it never sees a certificate beside the key of another.
set -eu

user=${MAILOOP_USER:-mailoop}
folder=${MAILOOP_TLS_FOLDER:-/etc/mailoop}
reload=${MAILOOP_RELOAD:-systemctl reload mailoop}
name=$(basename "$RENEWED_LINEAGE")

# Another certificate of this machine is none of ours, but for the first time.
if [ -n "${RENEWED_DOMAINS:-}" ] && [ ! -e "$folder/$name.pem" ]; then
    exit 0
fi

put() {
    install -o "$user" -m "$3" "$1" "$2.new"
    mv -f "$2.new" "$2"
}
put "$RENEWED_LINEAGE/privkey.pem" "$folder/$name.key" 400
put "$RENEWED_LINEAGE/fullchain.pem" "$folder/$name.pem" 444
$reload || echo "mailoop is not running, or could not be told: it reads the new certificate at its next start" >&2
