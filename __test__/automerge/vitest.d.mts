export const collected: readonly { readonly title: string; readonly run: () => Promise<void> }[]
