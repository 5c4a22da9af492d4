#!/bin/bash
# Removes the table of started_30-firewall.sh.
set -eu

nft delete table inet "site-$1"
