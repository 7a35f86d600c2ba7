# Completions of tidings for bash. Made from the program's own flags; put it, as "tidings", into
# /usr/share/bash-completion/completions, or source it.

# Flags of a command; those that take a value end in "=".
_tidings_flags() {
    case $1 in
    agent) echo '-advertise= -bind= -broadcast-timeout= -config-dir= -config-file= -data-dir= -datacenter= -dev -disable-compression -dns-addr= -domain= -enable-local-script-checks -enable-script-checks -encrypt= -event-handler= -http-addr= -http-cert-file= -http-key-file= -http-open -http-token= -iface= -join= -keyring-file= -log-level= -node= -node-meta= -profile= -protocol= -recursor= -rejoin -replay -rest-addr= -retry-interval= -retry-join= -retry-max= -role= -rpc-addr= -service-ttl= -tag= -tags-file= -ui -help' ;;
    apps) echo '-format= -rpc-addr= -rpc-auth= -help' ;;
    deregister) echo '-format= -http-addr= -http-ca-file= -token= -help' ;;
    event) echo '-coalesce -rpc-addr= -rpc-auth= -help' ;;
    force-leave) echo '-prune -rpc-addr= -rpc-auth= -help' ;;
    health) echo '-format= -http-addr= -http-ca-file= -state= -token= -help' ;;
    info) echo '-format= -rpc-addr= -rpc-auth= -help' ;;
    join) echo '-replay -rpc-addr= -rpc-auth= -help' ;;
    keygen) echo '-help' ;;
    keys) echo '-install= -list -remove= -rpc-addr= -rpc-auth= -use= -help' ;;
    leave) echo '-rpc-addr= -rpc-auth= -help' ;;
    members) echo '-detailed -format= -name= -role= -rpc-addr= -rpc-auth= -status= -tag= -help' ;;
    monitor) echo '-log-level= -rpc-addr= -rpc-auth= -help' ;;
    nodes) echo '-format= -http-addr= -http-ca-file= -token= -help' ;;
    query) echo '-format= -no-ack -node= -relay-factor= -rpc-addr= -rpc-auth= -tag= -timeout= -help' ;;
    reachability) echo '-rpc-addr= -rpc-auth= -verbose -help' ;;
    register) echo '-address= -format= -http= -http-addr= -http-ca-file= -id= -interval= -meta= -name= -port= -tag= -tcp= -token= -ttl= -help' ;;
    routers) echo '-format= -rpc-addr= -rpc-auth= -help' ;;
    rtt) echo '-rpc-addr= -rpc-auth= -help' ;;
    service) echo '-format= -http-addr= -http-ca-file= -passing -tag= -token= -help' ;;
    services) echo '-format= -http-addr= -http-ca-file= -token= -help' ;;
    sync) echo '-rpc-addr= -rpc-auth= -help' ;;
    tags) echo '-delete= -rpc-addr= -rpc-auth= -set= -help' ;;
    version) echo '-help' ;;
    watch) echo '-format= -http-addr= -http-ca-file= -token= -help' ;;
    esac
}

# Values of a command's flag: words, "<file>", "<dir>", "<any>" or, for a switch, nothing.
_tidings_values() {
    case $1:$2 in
    agent:advertise) echo '<any>' ;;
    agent:bind) echo '<any>' ;;
    agent:broadcast-timeout) echo '<any>' ;;
    agent:config-dir) echo '<dir>' ;;
    agent:config-file) echo '<file>' ;;
    agent:data-dir) echo '<dir>' ;;
    agent:datacenter) echo '<any>' ;;
    agent:dns-addr) echo '<any>' ;;
    agent:domain) echo '<any>' ;;
    agent:encrypt) echo '<any>' ;;
    agent:event-handler) echo '<any>' ;;
    agent:http-addr) echo '<any>' ;;
    agent:http-cert-file) echo '<file>' ;;
    agent:http-key-file) echo '<file>' ;;
    agent:http-token) echo '<any>' ;;
    agent:iface) echo '<any>' ;;
    agent:join) echo '<any>' ;;
    agent:keyring-file) echo '<file>' ;;
    agent:log-level) echo 'trace debug info warn err' ;;
    agent:node) echo '<any>' ;;
    agent:node-meta) echo '<any>' ;;
    agent:profile) echo 'lan wan local' ;;
    agent:protocol) echo '2 3 4 5' ;;
    agent:recursor) echo '<any>' ;;
    agent:rest-addr) echo '<any>' ;;
    agent:retry-interval) echo '<any>' ;;
    agent:retry-join) echo '<any>' ;;
    agent:retry-max) echo '<any>' ;;
    agent:role) echo '<any>' ;;
    agent:rpc-addr) echo '<any>' ;;
    agent:service-ttl) echo '<any>' ;;
    agent:tag) echo '<any>' ;;
    agent:tags-file) echo '<file>' ;;
    apps:format) echo 'text json' ;;
    apps:rpc-addr) echo '<any>' ;;
    apps:rpc-auth) echo '<any>' ;;
    deregister:format) echo 'text json' ;;
    deregister:http-addr) echo '<any>' ;;
    deregister:http-ca-file) echo '<file>' ;;
    deregister:token) echo '<any>' ;;
    event:rpc-addr) echo '<any>' ;;
    event:rpc-auth) echo '<any>' ;;
    force-leave:rpc-addr) echo '<any>' ;;
    force-leave:rpc-auth) echo '<any>' ;;
    health:format) echo 'text json' ;;
    health:http-addr) echo '<any>' ;;
    health:http-ca-file) echo '<file>' ;;
    health:state) echo 'any passing warning critical' ;;
    health:token) echo '<any>' ;;
    info:format) echo 'text json' ;;
    info:rpc-addr) echo '<any>' ;;
    info:rpc-auth) echo '<any>' ;;
    join:rpc-addr) echo '<any>' ;;
    join:rpc-auth) echo '<any>' ;;
    keys:install) echo '<any>' ;;
    keys:remove) echo '<any>' ;;
    keys:rpc-addr) echo '<any>' ;;
    keys:rpc-auth) echo '<any>' ;;
    keys:use) echo '<any>' ;;
    leave:rpc-addr) echo '<any>' ;;
    leave:rpc-auth) echo '<any>' ;;
    members:format) echo 'text json' ;;
    members:name) echo '<any>' ;;
    members:role) echo '<any>' ;;
    members:rpc-addr) echo '<any>' ;;
    members:rpc-auth) echo '<any>' ;;
    members:status) echo '<any>' ;;
    members:tag) echo '<any>' ;;
    monitor:log-level) echo 'trace debug info warn err' ;;
    monitor:rpc-addr) echo '<any>' ;;
    monitor:rpc-auth) echo '<any>' ;;
    nodes:format) echo 'text json' ;;
    nodes:http-addr) echo '<any>' ;;
    nodes:http-ca-file) echo '<file>' ;;
    nodes:token) echo '<any>' ;;
    query:format) echo 'text json' ;;
    query:node) echo '<any>' ;;
    query:relay-factor) echo '<any>' ;;
    query:rpc-addr) echo '<any>' ;;
    query:rpc-auth) echo '<any>' ;;
    query:tag) echo '<any>' ;;
    query:timeout) echo '<any>' ;;
    reachability:rpc-addr) echo '<any>' ;;
    reachability:rpc-auth) echo '<any>' ;;
    register:address) echo '<any>' ;;
    register:format) echo 'text json' ;;
    register:http) echo '<any>' ;;
    register:http-addr) echo '<any>' ;;
    register:http-ca-file) echo '<file>' ;;
    register:id) echo '<any>' ;;
    register:interval) echo '<any>' ;;
    register:meta) echo '<any>' ;;
    register:name) echo '<any>' ;;
    register:port) echo '<any>' ;;
    register:tag) echo '<any>' ;;
    register:tcp) echo '<any>' ;;
    register:token) echo '<any>' ;;
    register:ttl) echo '<any>' ;;
    routers:format) echo 'text json' ;;
    routers:rpc-addr) echo '<any>' ;;
    routers:rpc-auth) echo '<any>' ;;
    rtt:rpc-addr) echo '<any>' ;;
    rtt:rpc-auth) echo '<any>' ;;
    service:format) echo 'text json' ;;
    service:http-addr) echo '<any>' ;;
    service:http-ca-file) echo '<file>' ;;
    service:tag) echo '<any>' ;;
    service:token) echo '<any>' ;;
    services:format) echo 'text json' ;;
    services:http-addr) echo '<any>' ;;
    services:http-ca-file) echo '<file>' ;;
    services:token) echo '<any>' ;;
    sync:rpc-addr) echo '<any>' ;;
    sync:rpc-auth) echo '<any>' ;;
    tags:delete) echo '<any>' ;;
    tags:rpc-addr) echo '<any>' ;;
    tags:rpc-auth) echo '<any>' ;;
    tags:set) echo '<any>' ;;
    watch:format) echo 'text json' ;;
    watch:http-addr) echo '<any>' ;;
    watch:http-ca-file) echo '<file>' ;;
    watch:token) echo '<any>' ;;
    esac
}

_tidings_fill() {
    case $1 in
    '<file>') mapfile -t COMPREPLY < <(compgen -f -- "$2"); compopt -o filenames 2>/dev/null ;;
    '<dir>') mapfile -t COMPREPLY < <(compgen -d -- "$2"); compopt -o filenames 2>/dev/null ;;
    '<any>') ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2") ;;
    esac
}

_tidings() {
    local cur=${COMP_WORDS[COMP_CWORD]} at=$((COMP_CWORD - 1)) flag='' values dashes='' offer
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$_tidings_commands" -- "$cur")
        return
    fi
    local command=${COMP_WORDS[1]}
    # An equals sign is a word of its own here.
    if [[ $cur == '=' ]]; then
        flag=${COMP_WORDS[at]} cur=''
    elif [[ ${COMP_WORDS[at]} == '=' ]]; then
        flag=${COMP_WORDS[at - 1]}
    elif [[ ${COMP_WORDS[at]} == -* && ${COMP_WORDS[at - 1]} != '=' ]]; then
        flag=${COMP_WORDS[at]}
    fi
    if [[ $flag == -* ]]; then
        flag=${flag#-}
        values=$(_tidings_values "$command" "${flag#-}")
        if [[ -n $values ]]; then
            _tidings_fill "$values" "$cur"
            return
        fi
    fi
    if [[ $cur == -* ]]; then
        [[ $cur == --* ]] && dashes=-
        offer=$(_tidings_flags "$command")
        mapfile -t COMPREPLY < <(compgen -P "$dashes" -W "$offer" -- "${cur#"$dashes"}")
        [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
        return 0
    fi
    case $command in
    register) _tidings_fill '<file>' "$cur" ;;
    watch) _tidings_fill 'service' "$cur" ;;
    esac
}

_tidings_commands='agent apps deregister event force-leave health info join keygen keys leave members monitor nodes query reachability register routers rtt service services sync tags version watch'
complete -F _tidings tidings
