/*
 * uml-xstate - lets User-Mode Linux 6.1 run on processors with AMX.
 *
 * It keeps a process's extended registers in 2,696 bytes and hands these to PTRACE_SETREGSET, which takes nothing but the whole
 * of what this processor has: 11,008 bytes where there are tiles, and the kernel says EFAULT ("ptrace set fp regs failed").
 * This stands between UML and ptrace (LD_PRELOAD) and fills up with the initial state. Nothing is lost: a process has to ask the
 * machine's kernel for tiles, which one inside UML cannot.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

/* Of the one thread of UML that traces. Beyond what UML gives it stays zero. */
static char whole[65536] __attribute__((aligned(64)));
static size_t size;

long ptrace(enum __ptrace_request request, ...)
{
	static long (*real)(int, ...);
	va_list rest;
	va_start(rest, request);
	int pid = va_arg(rest, int);
	void *address = va_arg(rest, void *);
	void *data = va_arg(rest, void *);
	va_end(rest);

	if (!real)
		real = (long (*)(int, ...))dlsym(RTLD_NEXT, "ptrace");
	if ((int)request != PTRACE_SETREGSET || (long)address != NT_X86_XSTATE)
		return real(request, pid, address, data);

	if (!size) {
		static char scratch[sizeof whole];
		struct iovec all = { scratch, sizeof scratch };
		if (real(PTRACE_GETREGSET, pid, address, &all) < 0)
			return -1;
		size = all.iov_len;
	}
	struct iovec *given = data;
	if (given->iov_len >= size)
		return real(request, pid, address, data);
	memcpy(whole, given->iov_base, given->iov_len);
	struct iovec all = { whole, size };
	return real(request, pid, address, &all);
}
