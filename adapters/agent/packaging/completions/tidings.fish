# Completions of tidings for fish. Made from the program's own flags; put it into
# /usr/share/fish/vendor_completions.d.

function __tidings_is
    set -l words (commandline -opc)
    test (count $words) -gt 1; and test $words[2] = $argv[1]
end

function __tidings_first
    test (count (commandline -opc)) -eq 1
end

complete -c tidings -f
complete -c tidings -n __tidings_first -a agent -d 'Runs a Tidings agent'
complete -c tidings -n __tidings_first -a apps -d 'Lists the apps registered at the agent'
complete -c tidings -n __tidings_first -a deregister -d 'Removes service instances from the agent'
complete -c tidings -n __tidings_first -a event -d 'Send a custom event through the cluster'
complete -c tidings -n __tidings_first -a force-leave -d 'Forces a member of the cluster to enter the "left" state'
complete -c tidings -n __tidings_first -a health -d 'Lists checks and how they fare'
complete -c tidings -n __tidings_first -a info -d 'Provides debugging information for operators'
complete -c tidings -n __tidings_first -a join -d 'Tell the agent to join a cluster'
complete -c tidings -n __tidings_first -a keygen -d 'Generates a new encryption key'
complete -c tidings -n __tidings_first -a keys -d 'Manipulate the encryption keys of the cluster'
complete -c tidings -n __tidings_first -a leave -d 'Gracefully leaves the cluster and shuts the agent down'
complete -c tidings -n __tidings_first -a members -d 'Lists the members of a cluster'
complete -c tidings -n __tidings_first -a monitor -d 'Stream logs and events from an agent'
complete -c tidings -n __tidings_first -a nodes -d 'Lists the nodes of the catalog'
complete -c tidings -n __tidings_first -a query -d 'Send a query to the cluster'
complete -c tidings -n __tidings_first -a reachability -d 'Test network reachability'
complete -c tidings -n __tidings_first -a register -d 'Registers service instances at the agent'
complete -c tidings -n __tidings_first -a routers -d 'Lists where services are'
complete -c tidings -n __tidings_first -a rtt -d 'Estimates network round trip time between nodes'
complete -c tidings -n __tidings_first -a service -d 'Shows the instances of a service'
complete -c tidings -n __tidings_first -a services -d 'Lists the services of the cluster'
complete -c tidings -n __tidings_first -a sync -d 'Takes over the routers of another agent'
complete -c tidings -n __tidings_first -a tags -d 'Modify tags of a running agent'
complete -c tidings -n __tidings_first -a version -d 'Prints the version of Tidings'
complete -c tidings -n __tidings_first -a watch -d 'Prints each change of a service\'s instances'

# agent
complete -c tidings -n '__tidings_is agent' -o advertise -x -d 'Address told to the other members, if not the bound one'
complete -c tidings -n '__tidings_is agent' -o bind -x -d 'Address to listen on for gossip, default 0.0.0.0:7946'
complete -c tidings -n '__tidings_is agent' -o broadcast-timeout -x -d 'How long a broadcast may take, default 5s'
complete -c tidings -n '__tidings_is agent' -o config-dir -x -a '(__fish_complete_directories)' -d 'Directory with *.json files to read in the order of their names; repeatable'
complete -c tidings -n '__tidings_is agent' -o config-file -r -F -d 'JSON file to read; repeatable, later ones win'
complete -c tidings -n '__tidings_is agent' -o data-dir -x -a '(__fish_complete_directories)' -d 'Directory in which registrations outlive the process'
complete -c tidings -n '__tidings_is agent' -o datacenter -x -d 'Name of the data centre, default dc1'
complete -c tidings -n '__tidings_is agent' -o dev -d 'To try things: on the loopback, HTTP and DNS on, nothing on disk'
complete -c tidings -n '__tidings_is agent' -o disable-compression -d 'Do not compress gossip'
complete -c tidings -n '__tidings_is agent' -o dns-addr -x -d 'Serve names by DNS at this address; port 8600 if none'
complete -c tidings -n '__tidings_is agent' -o domain -x -d 'Domain of the names of services and nodes, default consul'
complete -c tidings -n '__tidings_is agent' -o enable-local-script-checks -d 'Checks in configuration files may run programs on this host'
complete -c tidings -n '__tidings_is agent' -o enable-script-checks -d 'Checks may run programs on this host'
complete -c tidings -n '__tidings_is agent' -o encrypt -x -d 'Base64 of the 16, 24 or 32 bytes that encrypt gossip'
complete -c tidings -n '__tidings_is agent' -o event-handler -x -d 'Script to run on events, [FILTER=]SCRIPT; repeatable'
complete -c tidings -n '__tidings_is agent' -o http-addr -x -d 'Serve the registry over HTTP at this address; port 8500 if none'
complete -c tidings -n '__tidings_is agent' -o http-cert-file -r -F -d 'Serve HTTP over TLS with the certificate in this PEM file'
complete -c tidings -n '__tidings_is agent' -o http-key-file -r -F -d 'PEM file with the key of that certificate'
complete -c tidings -n '__tidings_is agent' -o http-open -d 'Serve HTTP to other hosts without a token, too'
complete -c tidings -n '__tidings_is agent' -o http-token -x -d 'Token that clients of HTTP have to show'
complete -c tidings -n '__tidings_is agent' -o iface -x -d 'Network interface to take the address from'
complete -c tidings -n '__tidings_is agent' -o join -x -d 'Member to join at start, or exit; repeatable'
complete -c tidings -n '__tidings_is agent' -o keyring-file -r -F -d 'JSON list of gossip keys, rewritten when they change'
complete -c tidings -n '__tidings_is agent' -o log-level -x -a 'trace debug info warn err' -d 'Lowest level of the log: trace, debug, info (default), warn, err'
complete -c tidings -n '__tidings_is agent' -o node -x -d 'Unique name of this member, default the host\'s name'
complete -c tidings -n '__tidings_is agent' -o node-meta -x -d 'What this node says of itself in the catalog; repeatable'
complete -c tidings -n '__tidings_is agent' -o profile -x -a 'lan wan local' -d 'Timing: lan (default), wan or local'
complete -c tidings -n '__tidings_is agent' -o protocol -x -a '2 3 4 5' -d 'Serf protocol to speak, 2 to 5 (default)'
complete -c tidings -n '__tidings_is agent' -o recursor -x -d 'Name server to ask for names of others; repeatable'
complete -c tidings -n '__tidings_is agent' -o rejoin -d 'Ignore an earlier leave in the snapshot'
complete -c tidings -n '__tidings_is agent' -o replay -d 'Deliver user events from before the join'
complete -c tidings -n '__tidings_is agent' -o rest-addr -x -d 'Let apps register by REST at this address; port 8341 if none'
complete -c tidings -n '__tidings_is agent' -o retry-interval -x -d 'Time between retried joins, default 30s'
complete -c tidings -n '__tidings_is agent' -o retry-join -x -d 'Member to join in the background until it works; repeatable'
complete -c tidings -n '__tidings_is agent' -o retry-max -x -d 'Retries before giving up, default 0: no limit'
complete -c tidings -n '__tidings_is agent' -o role -x -d 'Old form of -tag role=NAME'
complete -c tidings -n '__tidings_is agent' -o rpc-addr -x -d 'Address of the RPC server, default 127.0.0.1:7373'
complete -c tidings -n '__tidings_is agent' -o service-ttl -x -d 'Seconds such an app lives without a word, default 60'
complete -c tidings -n '__tidings_is agent' -o tag -x -d 'Tag of this member; repeatable'
complete -c tidings -n '__tidings_is agent' -o tags-file -r -F -d 'JSON object the tags are kept in; not together with -tag'
complete -c tidings -n '__tidings_is agent' -o ui -d 'Show services and nodes on a web page, too: /ui/ where HTTP is served'
complete -c tidings -n '__tidings_is agent' -o help -d 'Show what the command does'

# apps
complete -c tidings -n '__tidings_is apps' -o format -x -a 'text json' -d 'How to write them: json or text [default: json]'
complete -c tidings -n '__tidings_is apps' -o rpc-addr -x -d 'Address of the agent\'s RPC [default: $TIDINGS_RPC_ADDR, $SERF_RPC_ADDR or 127.0.0.1:7373]'
complete -c tidings -n '__tidings_is apps' -o rpc-auth -x -d 'Key of the agent\'s RPC [default: $TIDINGS_RPC_AUTH, $SERF_RPC_AUTH or none]'
complete -c tidings -n '__tidings_is apps' -o help -d 'Show what the command does'

# deregister
complete -c tidings -n '__tidings_is deregister' -o format -x -a 'text json' -d 'How to write the result: text or json [default: text]'
complete -c tidings -n '__tidings_is deregister' -o http-addr -x -d 'Address of the agent\'s HTTP interface; https://ADDR if it is served over TLS [default: $TIDINGS_HTTP_ADDR, $CONSUL_HTTP_ADDR or 127.0.0.1:8500]'
complete -c tidings -n '__tidings_is deregister' -o http-ca-file -r -F -d 'PEM file of the authorities whose certificates are good, if it is served over TLS [default: $TIDINGS_HTTP_CA_FILE, $CONSUL_CACERT or the system\'s]'
complete -c tidings -n '__tidings_is deregister' -o token -x -d 'Token to show to it [default: $TIDINGS_HTTP_TOKEN, $CONSUL_HTTP_TOKEN or none]'
complete -c tidings -n '__tidings_is deregister' -o help -d 'Show what the command does'

# event
complete -c tidings -n '__tidings_is event' -o coalesce -d 'Let receivers fold events of this name that arrive shortly after one another into the newest [default: true]'
complete -c tidings -n '__tidings_is event' -o rpc-addr -x -d 'Address of the agent\'s RPC [default: $TIDINGS_RPC_ADDR, $SERF_RPC_ADDR or 127.0.0.1:7373]'
complete -c tidings -n '__tidings_is event' -o rpc-auth -x -d 'Key of the agent\'s RPC [default: $TIDINGS_RPC_AUTH, $SERF_RPC_AUTH or none]'
complete -c tidings -n '__tidings_is event' -o help -d 'Show what the command does'

# force-leave
complete -c tidings -n '__tidings_is force-leave' -o prune -d 'Forget the member at once, instead of after the tombstone time-out [default: false]'
complete -c tidings -n '__tidings_is force-leave' -o rpc-addr -x -d 'Address of the agent\'s RPC [default: $TIDINGS_RPC_ADDR, $SERF_RPC_ADDR or 127.0.0.1:7373]'
complete -c tidings -n '__tidings_is force-leave' -o rpc-auth -x -d 'Key of the agent\'s RPC [default: $TIDINGS_RPC_AUTH, $SERF_RPC_AUTH or none]'
complete -c tidings -n '__tidings_is force-leave' -o help -d 'Show what the command does'

# health
complete -c tidings -n '__tidings_is health' -o format -x -a 'text json' -d 'How to write the result: text or json [default: text]'
complete -c tidings -n '__tidings_is health' -o http-addr -x -d 'Address of the agent\'s HTTP interface; https://ADDR if it is served over TLS [default: $TIDINGS_HTTP_ADDR, $CONSUL_HTTP_ADDR or 127.0.0.1:8500]'
complete -c tidings -n '__tidings_is health' -o http-ca-file -r -F -d 'PEM file of the authorities whose certificates are good, if it is served over TLS [default: $TIDINGS_HTTP_CA_FILE, $CONSUL_CACERT or the system\'s]'
complete -c tidings -n '__tidings_is health' -o state -x -a 'any passing warning critical' -d 'Only checks in this state: any, passing, warning or critical [default: any]'
complete -c tidings -n '__tidings_is health' -o token -x -d 'Token to show to it [default: $TIDINGS_HTTP_TOKEN, $CONSUL_HTTP_TOKEN or none]'
complete -c tidings -n '__tidings_is health' -o help -d 'Show what the command does'

# info
complete -c tidings -n '__tidings_is info' -o format -x -a 'text json' -d 'How to write it: text or json [default: text]'
complete -c tidings -n '__tidings_is info' -o rpc-addr -x -d 'Address of the agent\'s RPC [default: $TIDINGS_RPC_ADDR, $SERF_RPC_ADDR or 127.0.0.1:7373]'
complete -c tidings -n '__tidings_is info' -o rpc-auth -x -d 'Key of the agent\'s RPC [default: $TIDINGS_RPC_AUTH, $SERF_RPC_AUTH or none]'
complete -c tidings -n '__tidings_is info' -o help -d 'Show what the command does'

# join
complete -c tidings -n '__tidings_is join' -o replay -d 'Deliver the user events of the time before the join as well [default: false]'
complete -c tidings -n '__tidings_is join' -o rpc-addr -x -d 'Address of the agent\'s RPC [default: $TIDINGS_RPC_ADDR, $SERF_RPC_ADDR or 127.0.0.1:7373]'
complete -c tidings -n '__tidings_is join' -o rpc-auth -x -d 'Key of the agent\'s RPC [default: $TIDINGS_RPC_AUTH, $SERF_RPC_AUTH or none]'
complete -c tidings -n '__tidings_is join' -o help -d 'Show what the command does'

# keygen
complete -c tidings -n '__tidings_is keygen' -o help -d 'Show what the command does'

# keys
complete -c tidings -n '__tidings_is keys' -o install -x -d 'Give every member a further key'
complete -c tidings -n '__tidings_is keys' -o list -d 'List the keys, with how many members have each [default: false]'
complete -c tidings -n '__tidings_is keys' -o remove -x -d 'Take a key from every member; the one in use cannot be removed'
complete -c tidings -n '__tidings_is keys' -o rpc-addr -x -d 'Address of the agent\'s RPC [default: $TIDINGS_RPC_ADDR, $SERF_RPC_ADDR or 127.0.0.1:7373]'
complete -c tidings -n '__tidings_is keys' -o rpc-auth -x -d 'Key of the agent\'s RPC [default: $TIDINGS_RPC_AUTH, $SERF_RPC_AUTH or none]'
complete -c tidings -n '__tidings_is keys' -o use -x -d 'Make every member encrypt with a key it has'
complete -c tidings -n '__tidings_is keys' -o help -d 'Show what the command does'

# leave
complete -c tidings -n '__tidings_is leave' -o rpc-addr -x -d 'Address of the agent\'s RPC [default: $TIDINGS_RPC_ADDR, $SERF_RPC_ADDR or 127.0.0.1:7373]'
complete -c tidings -n '__tidings_is leave' -o rpc-auth -x -d 'Key of the agent\'s RPC [default: $TIDINGS_RPC_AUTH, $SERF_RPC_AUTH or none]'
complete -c tidings -n '__tidings_is leave' -o help -d 'Show what the command does'

# members
complete -c tidings -n '__tidings_is members' -o detailed -d 'Show protocol versions as well (text only) [default: false]'
complete -c tidings -n '__tidings_is members' -o format -x -a 'text json' -d 'How to write them: text or json [default: text]'
complete -c tidings -n '__tidings_is members' -o name -x -d 'Only members whose name matches'
complete -c tidings -n '__tidings_is members' -o role -x -d 'Old form of -tag role=REGEX'
complete -c tidings -n '__tidings_is members' -o rpc-addr -x -d 'Address of the agent\'s RPC [default: $TIDINGS_RPC_ADDR, $SERF_RPC_ADDR or 127.0.0.1:7373]'
complete -c tidings -n '__tidings_is members' -o rpc-auth -x -d 'Key of the agent\'s RPC [default: $TIDINGS_RPC_AUTH, $SERF_RPC_AUTH or none]'
complete -c tidings -n '__tidings_is members' -o status -x -d 'Only members whose status matches: alive, leaving, left, failed or none'
complete -c tidings -n '__tidings_is members' -o tag -x -d 'Only members whose tag matches; may be given several times'
complete -c tidings -n '__tidings_is members' -o help -d 'Show what the command does'

# monitor
complete -c tidings -n '__tidings_is monitor' -o log-level -x -a 'trace debug info warn err' -d 'Show lines of this level and above: trace, debug, info, warn or err [default: INFO]'
complete -c tidings -n '__tidings_is monitor' -o rpc-addr -x -d 'Address of the agent\'s RPC [default: $TIDINGS_RPC_ADDR, $SERF_RPC_ADDR or 127.0.0.1:7373]'
complete -c tidings -n '__tidings_is monitor' -o rpc-auth -x -d 'Key of the agent\'s RPC [default: $TIDINGS_RPC_AUTH, $SERF_RPC_AUTH or none]'
complete -c tidings -n '__tidings_is monitor' -o help -d 'Show what the command does'

# nodes
complete -c tidings -n '__tidings_is nodes' -o format -x -a 'text json' -d 'How to write the result: text or json [default: text]'
complete -c tidings -n '__tidings_is nodes' -o http-addr -x -d 'Address of the agent\'s HTTP interface; https://ADDR if it is served over TLS [default: $TIDINGS_HTTP_ADDR, $CONSUL_HTTP_ADDR or 127.0.0.1:8500]'
complete -c tidings -n '__tidings_is nodes' -o http-ca-file -r -F -d 'PEM file of the authorities whose certificates are good, if it is served over TLS [default: $TIDINGS_HTTP_CA_FILE, $CONSUL_CACERT or the system\'s]'
complete -c tidings -n '__tidings_is nodes' -o token -x -d 'Token to show to it [default: $TIDINGS_HTTP_TOKEN, $CONSUL_HTTP_TOKEN or none]'
complete -c tidings -n '__tidings_is nodes' -o help -d 'Show what the command does'

# query
complete -c tidings -n '__tidings_is query' -o format -x -a 'text json' -d 'How to write the answers: text, as they come, or json, at the end [default: text]'
complete -c tidings -n '__tidings_is query' -o no-ack -d 'Do not ask for acknowledgements [default: false]'
complete -c tidings -n '__tidings_is query' -o node -x -d 'Ask only this node; may be given several times'
complete -c tidings -n '__tidings_is query' -o relay-factor -x -d 'Pass each answer on through so many other members as well, 0 to 255 [default: 0]'
complete -c tidings -n '__tidings_is query' -o rpc-addr -x -d 'Address of the agent\'s RPC [default: $TIDINGS_RPC_ADDR, $SERF_RPC_ADDR or 127.0.0.1:7373]'
complete -c tidings -n '__tidings_is query' -o rpc-auth -x -d 'Key of the agent\'s RPC [default: $TIDINGS_RPC_AUTH, $SERF_RPC_AUTH or none]'
complete -c tidings -n '__tidings_is query' -o tag -x -d 'Ask only nodes whose tag matches (anywhere in its value); may be given several times'
complete -c tidings -n '__tidings_is query' -o timeout -x -d 'How long to wait for answers, such as 15s; 0: as long as the size of the cluster asks for [default: 0s]'
complete -c tidings -n '__tidings_is query' -o help -d 'Show what the command does'

# reachability
complete -c tidings -n '__tidings_is reachability' -o rpc-addr -x -d 'Address of the agent\'s RPC [default: $TIDINGS_RPC_ADDR, $SERF_RPC_ADDR or 127.0.0.1:7373]'
complete -c tidings -n '__tidings_is reachability' -o rpc-auth -x -d 'Key of the agent\'s RPC [default: $TIDINGS_RPC_AUTH, $SERF_RPC_AUTH or none]'
complete -c tidings -n '__tidings_is reachability' -o verbose -d 'Show each acknowledgement and how long it took [default: false]'
complete -c tidings -n '__tidings_is reachability' -o help -d 'Show what the command does'

# register
complete -c tidings -n '__tidings_is register' -o address -x -d 'Address of the instance, if not its node\'s'
complete -c tidings -n '__tidings_is register' -o format -x -a 'text json' -d 'How to write the result: text or json [default: text]'
complete -c tidings -n '__tidings_is register' -o http -x -d 'URL to probe'
complete -c tidings -n '__tidings_is register' -o http-addr -x -d 'Address of the agent\'s HTTP interface; https://ADDR if it is served over TLS [default: $TIDINGS_HTTP_ADDR, $CONSUL_HTTP_ADDR or 127.0.0.1:8500]'
complete -c tidings -n '__tidings_is register' -o http-ca-file -r -F -d 'PEM file of the authorities whose certificates are good, if it is served over TLS [default: $TIDINGS_HTTP_CA_FILE, $CONSUL_CACERT or the system\'s]'
complete -c tidings -n '__tidings_is register' -o id -x -d 'ID of the instance, the name if there is none'
complete -c tidings -n '__tidings_is register' -o interval -x -d 'Time between two probes [default: 10s]'
complete -c tidings -n '__tidings_is register' -o meta -x -d 'What is known of the instance; may be given several times'
complete -c tidings -n '__tidings_is register' -o name -x -d 'Name of the service'
complete -c tidings -n '__tidings_is register' -o port -x -d 'Port of the instance'
complete -c tidings -n '__tidings_is register' -o tag -x -d 'Tag of the instance; may be given several times'
complete -c tidings -n '__tidings_is register' -o tcp -x -d 'Address to connect to'
complete -c tidings -n '__tidings_is register' -o token -x -d 'Token to show to it [default: $TIDINGS_HTTP_TOKEN, $CONSUL_HTTP_TOKEN or none]'
complete -c tidings -n '__tidings_is register' -o ttl -x -d 'Time within which somebody reports, or it is critical'
complete -c tidings -n '__tidings_is register' -o help -d 'Show what the command does'
complete -c tidings -n '__tidings_is register' -F

# routers
complete -c tidings -n '__tidings_is routers' -o format -x -a 'text json' -d 'How to write them: json or text [default: json]'
complete -c tidings -n '__tidings_is routers' -o rpc-addr -x -d 'Address of the agent\'s RPC [default: $TIDINGS_RPC_ADDR, $SERF_RPC_ADDR or 127.0.0.1:7373]'
complete -c tidings -n '__tidings_is routers' -o rpc-auth -x -d 'Key of the agent\'s RPC [default: $TIDINGS_RPC_AUTH, $SERF_RPC_AUTH or none]'
complete -c tidings -n '__tidings_is routers' -o help -d 'Show what the command does'

# rtt
complete -c tidings -n '__tidings_is rtt' -o rpc-addr -x -d 'Address of the agent\'s RPC [default: $TIDINGS_RPC_ADDR, $SERF_RPC_ADDR or 127.0.0.1:7373]'
complete -c tidings -n '__tidings_is rtt' -o rpc-auth -x -d 'Key of the agent\'s RPC [default: $TIDINGS_RPC_AUTH, $SERF_RPC_AUTH or none]'
complete -c tidings -n '__tidings_is rtt' -o help -d 'Show what the command does'

# service
complete -c tidings -n '__tidings_is service' -o format -x -a 'text json' -d 'How to write the result: text or json [default: text]'
complete -c tidings -n '__tidings_is service' -o http-addr -x -d 'Address of the agent\'s HTTP interface; https://ADDR if it is served over TLS [default: $TIDINGS_HTTP_ADDR, $CONSUL_HTTP_ADDR or 127.0.0.1:8500]'
complete -c tidings -n '__tidings_is service' -o http-ca-file -r -F -d 'PEM file of the authorities whose certificates are good, if it is served over TLS [default: $TIDINGS_HTTP_CA_FILE, $CONSUL_CACERT or the system\'s]'
complete -c tidings -n '__tidings_is service' -o passing -d 'Only instances that are passing [default: false]'
complete -c tidings -n '__tidings_is service' -o tag -x -d 'Only instances with this tag; may be given several times'
complete -c tidings -n '__tidings_is service' -o token -x -d 'Token to show to it [default: $TIDINGS_HTTP_TOKEN, $CONSUL_HTTP_TOKEN or none]'
complete -c tidings -n '__tidings_is service' -o help -d 'Show what the command does'

# services
complete -c tidings -n '__tidings_is services' -o format -x -a 'text json' -d 'How to write the result: text or json [default: text]'
complete -c tidings -n '__tidings_is services' -o http-addr -x -d 'Address of the agent\'s HTTP interface; https://ADDR if it is served over TLS [default: $TIDINGS_HTTP_ADDR, $CONSUL_HTTP_ADDR or 127.0.0.1:8500]'
complete -c tidings -n '__tidings_is services' -o http-ca-file -r -F -d 'PEM file of the authorities whose certificates are good, if it is served over TLS [default: $TIDINGS_HTTP_CA_FILE, $CONSUL_CACERT or the system\'s]'
complete -c tidings -n '__tidings_is services' -o token -x -d 'Token to show to it [default: $TIDINGS_HTTP_TOKEN, $CONSUL_HTTP_TOKEN or none]'
complete -c tidings -n '__tidings_is services' -o help -d 'Show what the command does'

# sync
complete -c tidings -n '__tidings_is sync' -o rpc-addr -x -d 'Address of the agent\'s RPC [default: $TIDINGS_RPC_ADDR, $SERF_RPC_ADDR or 127.0.0.1:7373]'
complete -c tidings -n '__tidings_is sync' -o rpc-auth -x -d 'Key of the agent\'s RPC [default: $TIDINGS_RPC_AUTH, $SERF_RPC_AUTH or none]'
complete -c tidings -n '__tidings_is sync' -o help -d 'Show what the command does'

# tags
complete -c tidings -n '__tidings_is tags' -o delete -x -d 'Remove a tag; may be given several times'
complete -c tidings -n '__tidings_is tags' -o rpc-addr -x -d 'Address of the agent\'s RPC [default: $TIDINGS_RPC_ADDR, $SERF_RPC_ADDR or 127.0.0.1:7373]'
complete -c tidings -n '__tidings_is tags' -o rpc-auth -x -d 'Key of the agent\'s RPC [default: $TIDINGS_RPC_AUTH, $SERF_RPC_AUTH or none]'
complete -c tidings -n '__tidings_is tags' -o set -x -d 'Set a tag; may be given several times'
complete -c tidings -n '__tidings_is tags' -o help -d 'Show what the command does'

# version
complete -c tidings -n '__tidings_is version' -o help -d 'Show what the command does'

# watch
complete -c tidings -n '__tidings_is watch' -o format -x -a 'text json' -d 'How to write the result: text or json [default: text]'
complete -c tidings -n '__tidings_is watch' -o http-addr -x -d 'Address of the agent\'s HTTP interface; https://ADDR if it is served over TLS [default: $TIDINGS_HTTP_ADDR, $CONSUL_HTTP_ADDR or 127.0.0.1:8500]'
complete -c tidings -n '__tidings_is watch' -o http-ca-file -r -F -d 'PEM file of the authorities whose certificates are good, if it is served over TLS [default: $TIDINGS_HTTP_CA_FILE, $CONSUL_CACERT or the system\'s]'
complete -c tidings -n '__tidings_is watch' -o token -x -d 'Token to show to it [default: $TIDINGS_HTTP_TOKEN, $CONSUL_HTTP_TOKEN or none]'
complete -c tidings -n '__tidings_is watch' -o help -d 'Show what the command does'
complete -c tidings -n '__tidings_is watch' -a service
