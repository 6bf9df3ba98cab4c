/** Environment that the C library's allocator reads as a process begins. */
export declare const MALLOC_ENVIRONMENT: Readonly<Record<string, string>>;
/** Arguments of Node that V8 reads as a process begins. */
export declare const HEAP_FLAGS: readonly string[];
/** Sets V8 so that it gives memory back. */
export declare function tuneHeap(): void;
/** Begins the process anew with `MALLOC_ENVIRONMENT`, once. */
export declare function tuneAllocator(): void;
