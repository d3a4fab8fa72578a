#!/usr/bin/env bash
# Unpacks PulseAudio into target/pulseaudio, for the sound tests only, without installing it: beside
# PipeWire the installed package would take over the desktop's sound. The program to run is then
# target/pulseaudio/bin/pulseaudio.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/private-package.sh
copy=$PWD/target/pulseaudio

unpack pulseaudio "$copy"
modules=$(dirname "$(find "$copy/usr/lib" -name module-null-sink.so)")
program "$copy/bin/pulseaudio" "LD_BIND_NOW=1 LD_LIBRARY_PATH=\"$libraries\" exec \"$copy/usr/bin/pulseaudio\" \
--dl-search-path=\"$modules\"" --version
