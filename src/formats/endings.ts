/** How the names of files end that are read here, for those who ask before any is read: the modules that read are loaded then. */
export const NIFTI_ENDINGS = ['.nii.gz', '.nii'] as const;
export const ITK_ENDINGS = ['.nrrd', '.mha', '.gipl'] as const;
/** Of 2D images. */
export const NATURAL_ENDINGS = ['.png', '.bmp', '.tif', '.tiff'] as const;
/** Of stacks of pages. */
export const STACK_ENDINGS = ['.tif', '.tiff'] as const;
