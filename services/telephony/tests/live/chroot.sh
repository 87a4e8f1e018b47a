#!/bin/sh
# Makes a folder with an Asterisk 16 and SIPp of Debian 11, for the live test: chroot.sh FOLDER. Needs root and mmdebstrap; touches nothing else.
# Then: KONTOR_TEST_ASTERISK=FOLDER cargo nextest run -p kontor-telephony live
set -eu
exec "${MMDEBSTRAP:-mmdebstrap}" --variant=apt --include=asterisk,sip-tester --aptopt='APT::Install-Recommends "false"' \
    bullseye "$1" ${MIRROR:-}
