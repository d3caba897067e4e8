// SPDX-License-Identifier: GPL-3.0-or-later
// Machines that speak to powerwaked by its link, thousands in one process, at little cost of their own.
//
// usage: herd ADDRESS PORT COUNT WORST_SECONDS
// Machine N (from 0) is called host-N, its key is the number N + 1, as bench/link/world.py writes the registry. Commands
// are lines on stdin, each answered by one line of JSON on stdout; between them the machines stay linked, answer orders,
// and come back by the client's rule where their link ends (nap/link/backoff.py). Times are seconds, latencies ms;
// "begun" and "ended" are of CLOCK_MONOTONIC, "cpu" is this process's own.
//   connect N AT_ONCE        the first N open their links, so many at a time
//   asleep N AT_ONCE         the first N register that they sleep
//   state SECONDS AT_ONCE    machines in turn say their state, so many unanswered at any time
//   post SECONDS AT_ONCE KEEP  the same by POST: so many connections, each kept (1) or for one message alone (0)
//   back SECONDS             wait until all have lost their links and are back
//   tell                     say at once when orders have come since the last line ("ordered")
// They come from 16 addresses, 10.0.255.1 and those that follow. A try fails as the client's does: no TLS within
// WORST_SECONDS, then no WebSocket, then no welcome.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST = 4096, POSTERS = 256, EVENTS = 256, ADDRESSES = 16 };
enum phase { AWAY, CONNECTING, SHAKING, UPGRADING, GREETING, OPEN };

struct wire {
    int fd, is_post, unanswered, in_room;
    enum phase phase;
    uint32_t host;
    SSL *ssl;
    uint64_t seq, sent_at, began, tried, due, limit;
    char in[LONGEST];
};

static struct wire *wires;
static uint32_t count;
static struct sockaddr_in server;
static SSL_CTX *tls;
static int epoll;
static uint64_t worst;
static const uint64_t FIRST_LIMIT = 2000000000u, LONGEST_LIMIT = 300000000000u;

// The command under way
static enum { NOTHING, CONNECT, ASLEEP, STATE, POST, BACK } doing;
static uint64_t begun, ends, at_once, under_way, wanted, done_count, next_host, keep;
static uint64_t tries, failures, failed_in[OPEN], refused, lost_count, orders;
static double begun_cpu;
static float *latencies;
static uint64_t latency_count, latency_room;
enum { MOST_ORDERS = 20000 };
static double ordered_at[MOST_ORDERS];

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double cpu(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void took(uint64_t nanoseconds) {
    if (latency_count == latency_room) {
        latency_room = latency_room ? 2 * latency_room : 65536;
        latencies = realloc(latencies, latency_room * sizeof *latencies);
        if (!latencies) die("realloc");
    }
    latencies[latency_count++] = nanoseconds / 1e6f;
}

// Messages

static int sealed(char *out, uint32_t host, uint64_t seq, const char *kind, const char *body) {
    static const char direction[] = "to-server\n";
    char text[LONGEST];
    unsigned char key[32] = {0}, digest[32];
    unsigned length;
    int size = snprintf(text, sizeof text, "%s{\"host\":\"host-%u\",\"kind\":\"%s\",\"seq\":%llu,\"body\":%s}", direction,
                        host, kind, (unsigned long long)seq, body);
    uint32_t number = htonl(host + 1);
    memcpy(key + 28, &number, 4);
    HMAC(EVP_sha256(), key, sizeof key, (unsigned char *)text, (size_t)size, digest, &length);
    for (int i = 0; i < 32; i++) sprintf(out + 2 * i, "%02x", digest[i]);
    return 64 + sprintf(out + 64, " %s", text + sizeof direction - 1);
}

static int message(char *out, struct wire *wire, const char *kind, const char *more) {
    char body[LONGEST / 2];
    struct wire *machine = &wires[wire->host];
    uint32_t address = 0x0a010000 + wire->host, h = wire->host;
    char card[160];
    sprintf(card, "{\"name\":\"eth0\",\"mac\":\"02:4c:%02x:%02x:%02x:%02x\",\"addresses\":[\"%u.%u.%u.%u/8\"]}", h >> 24,
            h >> 16 & 255, h >> 8 & 255, h & 255, address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
    machine->seq = machine->seq ? machine->seq + 1 : (uint64_t)time(NULL) * 1000000000u;
    if (!strcmp(kind, "hello"))
        sprintf(body,
                "{\"nonce\":\"%032llx\",\"version\":\"0.1.0\",\"boot_id\":\"%08x-0000-4000-8000-000000000000\",\"identity\":"
                "{\"machine\":\"%064x\",\"board\":\"%064x\"},\"cards\":[%s],\"hostname\":\"host-%u\",\"state\":\"awake\","
                "\"cause\":\"linked\",\"slept_seconds\":0.0,\"profile\":\"web-server\",\"features\":[]}",
                (unsigned long long)machine->seq, h, h + 1, h + 1, card, h);
    else if (!strcmp(kind, "asleep"))
        sprintf(body,
                "{\"action\":\"suspend\",\"interfaces\":[%s],\"tcp_ports\":\"22,80\",\"udp_ports\":\"\",\"lease_seconds\":"
                "86400,\"password\":null}",
                card);
    else if (!strcmp(kind, "state"))  // each time another one than before
        sprintf(body,
                "{\"state\":\"%s\",\"since_seconds\":0.1,\"why\":\"load is 0.31, above 0.1\",\"next_at_seconds\":299.5,"
                "\"activity\":{\"load\":{\"active\":true,\"value\":0.31,\"threshold\":0.1,\"unit\":\"\"},\"ssh\":{\"active\":"
                "false,\"value\":0,\"threshold\":1,\"unit\":\"connections\"}}}",
                machine->seq % 2 ? "awake" : "warned");
    else
        sprintf(body, "{\"order\":\"%s\",\"ok\":true,\"said\":\"done\",\"result\":{}}", more);
    return sealed(out, wire->host, machine->seq, kind, body);
}

static void drop(struct wire *wire);

static void put(struct wire *wire, const char *data, int size) {
    if (SSL_write(wire->ssl, data, size) != size) drop(wire);
}

static void say(struct wire *wire, const char *kind, const char *more) {
    char frame[LONGEST + 8];
    if (!wire->ssl) {
        fprintf(stderr, "host-%u has no link to say %s by\n", wire->host, kind);
        exit(1);
    }
    int size = message(frame + 8, wire, kind, more);
    frame[0] = (char)0x81;  // the whole text; masked with nothing but zeros (RFC 6455 5.2)
    frame[1] = (char)(0x80 | 126);
    frame[2] = (char)(size >> 8);
    frame[3] = (char)size;
    memset(frame + 4, 0, 4);
    wire->sent_at = now_ns();
    wire->unanswered = 1;
    put(wire, frame, size + 8);
}

static void post(struct wire *wire) {
    char text[LONGEST], request[LONGEST + 256];
    wire->host = (uint32_t)(next_host++ % wanted);
    int size = message(text, wire, "state", NULL);
    int head = sprintf(request,
                       "POST /api/v1/messages HTTP/1.1\r\nHost: powerwaked\r\nContent-Type: text/plain\r\n"
                       "%sContent-Length: %d\r\n\r\n",
                       keep ? "" : "Connection: close\r\n", size);
    memcpy(request + head, text, (size_t)size);
    if (keep) wire->sent_at = now_ns();
    wire->unanswered = 1;
    put(wire, request, head + size);
}

// Connections

static void watch(struct wire *wire, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = wire};
    if (epoll_ctl(epoll, operation, wire->fd, &event)) die("epoll_ctl");
}

static void dial(struct wire *wire) {
    int one = 1;
    tries++;
    wire->began = wire->tried = now_ns();
    if (wire->is_post) wire->sent_at = wire->began;
    wire->due = 0;
    wire->in_room = 0;
    wire->unanswered = 0;
    wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (wire->fd < 0) die("socket");
    setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    wire->phase = CONNECTING;
    // One address has not enough ports for so many that come and go.
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a00ff01 + wire->host % ADDRESSES)};
    setsockopt(wire->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(wire->fd, (struct sockaddr *)&from, sizeof from)) die("bind");
    if (connect(wire->fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS) {
        watch(wire, EPOLL_CTL_ADD, EPOLLIN);
        drop(wire);
        return;
    }
    watch(wire, EPOLL_CTL_ADD, EPOLLOUT);
}

// The client's rule: not before what the server asked for, and then any time up to a limit that doubles.
static void drop(struct wire *wire) {
    uint64_t now = now_ns(), from = wire->due > now ? wire->due : now;
    if (wire->phase == AWAY) return;
    if (wire->ssl) SSL_free(wire->ssl);
    wire->ssl = NULL;
    close(wire->fd);
    if (wire->is_post) {
        if (wire->unanswered) failures++;
        wire->phase = AWAY;
        wire->unanswered = 0;
        return;
    }
    if (wire->phase == OPEN) lost_count++;
    else failures++, failed_in[wire->phase]++;
    wire->phase = AWAY;
    wire->due = from + (uint64_t)(drand48() * (double)wire->limit);
    wire->limit = 2 * wire->limit < LONGEST_LIMIT ? 2 * wire->limit : LONGEST_LIMIT;
}

static void answered(struct wire *wire, uint64_t now) {
    took(now - wire->sent_at);
    wire->unanswered = 0;
    under_way--;
    done_count++;
}

static void heard(struct wire *wire, char *text, uint64_t now) {
    char *order, *again;
    if (wire->phase == GREETING) {
        wire->phase = OPEN;
        wire->limit = FIRST_LIMIT;
        wire->unanswered = 0;
        if (doing == CONNECT || doing == BACK) {
            took(now - wire->began);
            done_count++;
            if (doing == CONNECT) under_way--;
        }
        if (doing == BACK) say(wire, "state", NULL);  // as the client does
        return;
    }
    if (strstr(text, "\"kind\":\"order\"")) {
        if (orders < MOST_ORDERS) ordered_at[orders++] = (double)now / 1e9;
        order = strstr(text, "\"id\":\"");
        if (order) {
            char id[64];
            snprintf(id, sizeof id, "%.*s", (int)strcspn(order + 6, "\""), order + 6);
            say(wire, "done", id);
            wire->unanswered = 0;
        }
        return;
    }
    again = strstr(text, "\"again_seconds\":");
    if (strstr(text, "\"kind\":\"bye\"")) {
        wire->due = again ? now + (uint64_t)(strtod(again + 16, NULL) * 1e9) : 0;
        return;
    }
    if (strstr(text, "\"ok\":false")) {
        if (!refused++) fprintf(stderr, "refused: %s\n", text);
    }
    if (wire->unanswered && (doing == STATE || doing == ASLEEP)) answered(wire, now);
    wire->unanswered = 0;
}

// Text frames of the server, each whole in the buffer or waited for; other frames are passed over, a close is obeyed.
static void frames(struct wire *wire, uint64_t now) {
    int at = 0;
    while (wire->phase >= GREETING && wire->in_room - at >= 2) {
        unsigned char *frame = (unsigned char *)wire->in + at;
        int size = frame[1] & 127, head = 2;
        if (size == 126) {
            if (wire->in_room - at < 4) break;
            size = frame[2] << 8 | frame[3];
            head = 4;
        }
        if (wire->in_room - at < head + size) break;
        if ((frame[0] & 15) == 8) {
            drop(wire);
            return;
        }
        if ((frame[0] & 15) == 1) {
            char text[LONGEST];
            memcpy(text, frame + head, (size_t)size);
            text[size] = 0;
            heard(wire, text, now);
            if (wire->phase == AWAY) return;
        }
        at += head + size;
    }
    memmove(wire->in, wire->in + at, (size_t)(wire->in_room - at));
    wire->in_room -= at;
}

static void response(struct wire *wire, uint64_t now) {
    char *end, *length;
    wire->in[wire->in_room] = 0;
    end = strstr(wire->in, "\r\n\r\n");
    if (!end) return;
    if (!wire->is_post) {
        if (strncmp(wire->in, "HTTP/1.1 101", 12)) {
            drop(wire);
            return;
        }
        wire->in_room -= (int)(end + 4 - wire->in);
        memmove(wire->in, end + 4, (size_t)wire->in_room);
        wire->phase = GREETING;
        wire->tried = now;
        say(wire, "hello", NULL);
        return;
    }
    length = strcasestr(wire->in, "content-length:");
    if (!length || wire->in + wire->in_room < end + 4 + atoi(length + 15)) return;
    if (strncmp(wire->in, "HTTP/1.1 200", 12) || strstr(end, "\"ok\":false")) {
        if (!refused++) fprintf(stderr, "refused: %s\n", wire->in);
    }
    wire->in_room = 0;
    answered(wire, now);
    if (!keep) drop(wire);
}

static void came(struct wire *wire) {
    uint64_t now = now_ns();
    for (;;) {
        int got = SSL_read(wire->ssl, wire->in + wire->in_room, LONGEST - 1 - wire->in_room);
        if (got <= 0) {
            if (SSL_get_error(wire->ssl, got) != SSL_ERROR_WANT_READ) drop(wire);
            return;
        }
        wire->in_room += got;
        if (wire->is_post || wire->phase == UPGRADING) response(wire, now);
        if (!wire->is_post && wire->phase >= GREETING) frames(wire, now);
        if (wire->phase == AWAY) return;
    }
}

static void upgrade(struct wire *wire) {
    static const char request[] =
        "GET /api/v1/link HTTP/1.1\r\nHost: powerwaked\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    wire->phase = UPGRADING;
    wire->tried = now_ns();
    put(wire, request, sizeof request - 1);
}

static void ready(struct wire *wire, uint32_t events) {
    if (wire->phase == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error || events & (EPOLLERR | EPOLLHUP)) {
            drop(wire);
            return;
        }
        wire->ssl = SSL_new(tls);
        SSL_set_fd(wire->ssl, wire->fd);
        SSL_set_connect_state(wire->ssl);
        wire->phase = SHAKING;
        watch(wire, EPOLL_CTL_MOD, EPOLLIN);
    }
    if (wire->phase == SHAKING) {
        int got = SSL_do_handshake(wire->ssl);
        if (got != 1) {
            if (SSL_get_error(wire->ssl, got) != SSL_ERROR_WANT_READ) drop(wire);
            return;
        }
        if (wire->is_post) {
            wire->phase = OPEN;
            post(wire);
        } else
            upgrade(wire);
        return;
    }
    came(wire);
}

// Commands

static int by_size(const void *one, const void *other) {
    float a = *(const float *)one, b = *(const float *)other;
    return (a > b) - (a < b);
}

static void report(void) {
    uint64_t now = now_ns();
    qsort(latencies, latency_count, sizeof *latencies, by_size);
#define SHARE(of) (latency_count ? latencies[(uint64_t)((of) * (double)(latency_count - 1))] : 0.0f)
    printf("{\"begun\": %.6f, \"ended\": %.6f, \"seconds\": %.6f, \"answered\": %llu, \"p50\": %.3f, \"p99\": %.3f, "
           "\"most\": %.3f, \"tries\": %llu, \"failures\": %llu, \"refused\": %llu, \"lost\": %llu, \"orders\": %llu, "
           "\"cpu\": %.4f, \"failed in\": "
           "{\"connecting\": %llu, \"tls\": %llu, \"upgrade\": %llu, \"hello\": %llu}, \"ordered\": [",
           (double)begun / 1e9, (double)now / 1e9, (double)(now - begun) / 1e9, (unsigned long long)done_count, SHARE(0.5),
           SHARE(0.99), SHARE(1.0), (unsigned long long)tries, (unsigned long long)failures, (unsigned long long)refused,
           (unsigned long long)lost_count, (unsigned long long)orders, cpu() - begun_cpu,
           (unsigned long long)failed_in[CONNECTING], (unsigned long long)failed_in[SHAKING],
           (unsigned long long)failed_in[UPGRADING], (unsigned long long)failed_in[GREETING]);
    for (uint64_t i = 0; i < orders; i++) printf("%s%.6f", i ? ", " : "", ordered_at[i]);
    printf("]}\n");
    orders = 0;
    fflush(stdout);
    doing = NOTHING;
}

static void begin(char *line) {
    unsigned long long one = 0, two = 0, three = 0;
    char what[16] = "";
    sscanf(line, "%15s %llu %llu %llu", what, &one, &two, &three);
    begun = now_ns();
    begun_cpu = cpu();
    done_count = under_way = next_host = latency_count = tries = failures = refused = 0;
    memset(failed_in, 0, sizeof failed_in);
    ends = 0;
    if (!strcmp(what, "connect")) doing = CONNECT, wanted = one, at_once = two;
    else if (!strcmp(what, "asleep")) doing = ASLEEP, wanted = one, at_once = two;
    else if (!strcmp(what, "state")) doing = STATE, ends = begun + one * 1000000000u, at_once = two;
    else if (!strcmp(what, "post")) doing = POST, ends = begun + one * 1000000000u, at_once = two, keep = three;
    else if (!strcmp(what, "back")) doing = BACK, ends = begun + one * 1000000000u, lost_count = 0;
    else if (!strcmp(what, "tell")) {
        report();
        return;
    } else exit(0);
    if (at_once > POSTERS && doing == POST) at_once = POSTERS;
}

// Start what may be started now; the command is over when all is answered.
static void go_on(void) {
    uint64_t now = now_ns();
    if (doing == CONNECT) {
        while (under_way < at_once && next_host < wanted) {
            struct wire *wire = &wires[next_host++];
            if (wire->phase == AWAY && !wire->due) under_way++, dial(wire);
            else if (wire->phase == OPEN) done_count++;
        }
        if (done_count >= wanted) report();
    } else if (doing == ASLEEP) {
        for (; under_way < at_once && next_host < wanted; next_host++, under_way++) say(&wires[next_host], "asleep", NULL);
        if (done_count >= wanted) report();
    } else if (doing == STATE) {
        for (uint64_t passed = 0; now < ends && under_way < at_once && passed < wanted; passed++) {
            struct wire *wire = &wires[next_host++ % wanted];
            if (wire->phase == OPEN && !wire->unanswered) under_way++, say(wire, "state", NULL);
        }
        if (now >= ends && !under_way) report();
    } else if (doing == POST) {
        for (uint64_t i = 0; i < at_once && now < ends; i++) {
            struct wire *wire = &wires[count + i];
            if (wire->unanswered || (wire->phase != AWAY && wire->phase != OPEN)) continue;
            under_way++;
            if (wire->phase == AWAY) dial(wire);
            else post(wire);
        }
        if (now >= ends && !under_way) {
            for (uint64_t i = 0; i < at_once; i++) drop(&wires[count + i]);
            report();
        }
    } else if (doing == BACK) {
        if ((done_count >= wanted && lost_count >= wanted) || now >= ends) report();
    }
}

static void timers(void) {
    static uint64_t looked;
    uint64_t now = now_ns();
    if (now - looked < 20000000u) return;
    looked = now;
    for (uint32_t i = 0; i < count; i++) {
        struct wire *wire = &wires[i];
        if (wire->phase == AWAY && wire->due && wire->due <= now) dial(wire);
        else if (wire->phase > AWAY && wire->phase < OPEN && now - wire->tried > worst) drop(wire);
    }
}

int main(int argc, char **argv) {
    struct epoll_event events[EVENTS];
    char line[256];
    if (argc != 5) exit(2);
    server.sin_family = AF_INET;
    server.sin_addr.s_addr = inet_addr(argv[1]);
    server.sin_port = htons((uint16_t)atoi(argv[2]));
    count = (uint32_t)atoi(argv[3]);
    worst = (uint64_t)(atof(argv[4]) * 1e9);
    wires = calloc(count + POSTERS, sizeof *wires);
    if (!wires) die("calloc");
    for (uint32_t i = 0; i < count + POSTERS; i++) {
        wires[i].host = i;
        wires[i].is_post = i >= count;
        wires[i].limit = FIRST_LIMIT;
    }
    srand48(1);
    signal(SIGPIPE, SIG_IGN);
    tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event commands = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &commands)) die("epoll_ctl");
    for (;;) {
        int got = epoll_wait(epoll, events, EVENTS, 20);
        for (int i = 0; i < got; i++) {
            struct wire *wire = events[i].data.ptr;
            if (!wire) {
                if (!fgets(line, sizeof line, stdin)) return 0;
                begin(line);
            } else if (wire->phase != AWAY)
                ready(wire, events[i].events);
        }
        timers();
        go_on();
    }
}
