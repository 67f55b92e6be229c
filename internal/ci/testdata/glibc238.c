// Names that glibc has since 2.38, for a wheel that was compiled with it, on systems before.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

unsigned long long __isoc23_strtoull(const char *s, char **end, int base) { return strtoull(s, end, base); }

int __isoc23_sscanf(const char *s, const char *format, ...) {
  va_list list;
  va_start(list, format);
  int n = vsscanf(s, format, list);
  va_end(list);
  return n;
}
