#!/bin/sh
# Makes Dovecot's file of users of ours: the same passwords, by the same keys of SCRAM-SHA-256. No password is needed for that.
#
#   docs/deploy/dovecot-users.sh example.org < /etc/mailoop/users > /etc/dovecot/mailoop-users
#
# Users without a domain are those of the domain that is named. Do it again after each `mailoop passwd`.
set -eu

domain=${1:?which domain do users without one belong to?}
sed -n 's/^\([^:#]*\):SCRAM-SHA-256\$\([0-9]*\):\([^$]*\)\$\([^:]*\):\(.*\)$/\1:{SCRAM-SHA-256}\2,\3,\4,\5/p' |
    sed "/^[^:]*@/!s/^[^:]*/&@$domain/"
