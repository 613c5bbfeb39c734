export function SpeedPage() {
  return null;
}
