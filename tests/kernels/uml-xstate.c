// Lets User-Mode Linux 6.1 run on processors with AMX. It saves and restores the floating-point state of its processes in a buffer of
// fixed size (2696 bytes, up to AVX-512 and PKRU), and the host's ptrace takes no state that is shorter than the processor's, which
// with AMX has 11008 bytes. So what UML gives is laid over what there is. Preloaded by uml-run.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

static char whole[1 << 16];

long ptrace(enum __ptrace_request request, ...)
{
	static long (*real)(int, ...);
	va_list args;
	va_start(args, request);
	int pid = va_arg(args, int);
	void *addr = va_arg(args, void *);
	void *data = va_arg(args, void *);
	va_end(args);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "ptrace");
	long done = real(request, pid, addr, data);
	if (done < 0 && errno == EFAULT && request == PTRACE_SETREGSET && (long)addr == NT_X86_XSTATE) {
		const struct iovec *given = data;
		struct iovec all = { whole, sizeof whole };
		if (real(PTRACE_GETREGSET, pid, addr, &all) < 0 || given->iov_len > all.iov_len)
			return -1;
		memcpy(whole, given->iov_base, given->iov_len);
		done = real(PTRACE_SETREGSET, pid, addr, &all);
	}
	return done;
}
